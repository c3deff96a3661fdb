import assert from 'node:assert/strict';
import {
  encodeFrame,
  frameKinds,
  LinkFrameParser,
  ResumableBytes,
} from '../../common/resumableBytes.ts';
import { seededRandom } from '../support/seed.ts';

const window = 5_000;

/** One end with the reader behind it; what it says is on its way until it is let through. */
class End {
  readonly bytes = new ResumableBytes('h-1', window);
  readonly heard: Buffer[] = [];
  /** Arrived, not taken by the reader yet. */
  #waiting = 0;
  #parser = new LinkFrameParser();
  #linked = false;
  onWay: Buffer[] = [];

  greet(): void {
    this.#parser = new LinkFrameParser();
    this.#linked = false;
    this.onWay = [this.bytes.greeting()];
  }

  speak(): void {
    if (!this.#linked) return;
    for (let frame = this.bytes.next(); frame !== undefined; frame = this.bytes.next()) {
      this.onWay.push(frame);
    }
  }

  hear(chunk: Buffer): void {
    for (const frame of this.#parser.push(chunk)) {
      if (frame.kind === frameKinds.greeting) {
        this.bytes.begin(frame);
        this.#linked = true;
        continue;
      }
      const data = this.bytes.receive(frame);
      if (data === undefined) continue;
      this.heard.push(Buffer.from(data));
      this.#waiting += data.length;
    }
  }

  /** The reader takes up to so many bytes, and says so. */
  read(most: number): void {
    const count = Math.min(most, this.#waiting);
    this.#waiting -= count;
    this.bytes.take(count);
    if (this.#linked) this.onWay.push(encodeFrame(frameKinds.taken, this.bytes.taken));
  }
}

/** Lets some bytes through, which may be a part of a frame. @returns false when none were on their way */
function pass(from: End, to: End, count: number): boolean {
  const all = Buffer.concat(from.onWay);
  from.onWay = count < all.length ? [all.subarray(count)] : [];
  if (all.length === 0) return false;
  to.hear(all.subarray(0, count));
  return true;
}

describe('resumable bytes', () => {
  it('arrive once and in order, wherever their links are cut', () => {
    const random = seededRandom('resumable bytes');
    for (let round = 0; round < 150; round += 1) {
      const ends = [new End(), new End()] as const;
      const said: [Buffer[], Buffer[]] = [[], []];
      const link = (): void => ends.forEach((end) => end.greet());
      link();
      let counter = 0;
      for (let move = 0; move < 300; move += 1) {
        const which = random() < 0.5 ? 0 : 1;
        const [end, other] = [ends[which], ends[1 - which]] as [End, End];
        const choice = random();
        if (choice < 0.35) {
          if (!end.bytes.hasRoom) continue;
          const piece = Buffer.alloc(1 + Math.floor(random() ** 4 * 20_000), (counter += 1));
          said[which].push(piece);
          end.bytes.append(piece);
        } else if (choice < 0.55) end.speak();
        else if (choice < 0.75) pass(end, other, 1 + Math.floor(random() ** 3 * 9_000));
        else if (choice < 0.95) end.read(Math.floor(random() * 4_000));
        else link();
      }
      link();
      for (const end of ends) end.bytes.end();
      const isOver = (): boolean => ends.every((end) => end.bytes.hasPeerEnded);
      for (let step = 0; step < 10_000 && !isOver(); step += 1) {
        for (const [end, other] of [ends, [ends[1], ends[0]] as const]) {
          end.speak();
          pass(end, other, 3_000);
          other.read(3_000);
        }
      }
      for (const which of [0, 1] as const) {
        const heard = Buffer.concat(ends[1 - which]?.heard ?? []);
        assert.ok(heard.equals(Buffer.concat(said[which])), `round ${String(round)}`);
        assert.ok(ends[which].bytes.hasPeerEnded);
      }
    }
  });

  it('keep the writer waiting while the other end does not read', () => {
    const [one, other] = [new End(), new End()];
    one.greet();
    other.greet();
    while (pass(one, other, 100) || pass(other, one, 100));
    let written = 0;
    while (one.bytes.hasRoom) {
      one.bytes.append(Buffer.alloc(700));
      written += 700;
    }
    assert.ok(written < window + 700);
    one.speak();
    while (pass(one, other, 1_000));
    assert.equal(Buffer.concat(other.heard).length, window);
    other.read(1_000);
    while (pass(other, one, 1_000));
    assert.ok(one.bytes.hasRoom);
  });

  it('refuse links that are none, belong to others, or cannot be right', () => {
    const greeted = (end: End): void => {
      end.greet();
      end.hear(new ResumableBytes('h-1', window).greeting());
    };
    const cases: readonly (readonly [string, (end: End) => void])[] = [
      ['does not speak as a handoff', (end) => end.hear(Buffer.from('GET / HTTP/1.1\r\n\r\n'))],
      ['does not speak', (end) => end.hear(encodeFrame(frameKinds.data, 0, Buffer.from('x')))],
      [
        'too large',
        (end) => end.hear(encodeFrame(frameKinds.greeting, 0, Buffer.alloc(300)).subarray(0, 20)),
      ],
      ['another handoff', (end) => end.hear(new ResumableBytes('h-2', window).greeting())],
      [
        'never said',
        (end) => {
          const greeting = new ResumableBytes('h-1', window).greeting();
          greeting.writeUIntBE(1, 1, 6);
          end.hear(greeting);
        },
      ],
      ['leaves something out', (end) => end.hear(encodeFrame(1, 1, Buffer.from('x')))],
      ['confirms what was never said', (end) => end.hear(encodeFrame(frameKinds.taken, 1))],
      ['ends in another place', (end) => end.hear(encodeFrame(frameKinds.end, 7))],
      ['confirms an end', (end) => end.hear(encodeFrame(frameKinds.endTaken, 0))],
      ['more than was asked for', (end) => end.hear(encodeFrame(1, 0, Buffer.alloc(window + 1)))],
      ['does not speak', (end) => end.hear(end.bytes.greeting())],
    ];
    for (const [index, [what, act]] of cases.entries()) {
      const end = new End();
      if (index > 4) greeted(end);
      assert.throws(() => act(end), new RegExp(what), what);
      assert.deepEqual(end.heard, []);
    }
  });
});
