import assert from 'node:assert/strict';
import { ResumableChannel } from '../../common/resumableChannel.ts';
import { seededRandom } from '../support/seed.ts';

/** Two ends and a link between them that can be cut with lines on their way. */
class Conversation {
  readonly heard = { a: [] as unknown[], b: [] as unknown[] };
  readonly a = new ResumableChannel((message) => this.heard.a.push(message));
  readonly b = new ResumableChannel((message) => this.heard.b.push(message));
  toA: string[] = [];
  toB: string[] = [];

  link(): void {
    const { received } = this.a;
    this.a.link(this.b.received, (line) => this.toB.push(line));
    this.b.link(received, (line) => this.toA.push(line));
  }

  /** Whatever is on its way is lost. */
  cut(): void {
    this.a.unlink();
    this.b.unlink();
    this.toA = [];
    this.toB = [];
  }

  /** Lets one line arrive. @returns false when none was on its way */
  step(towards: 'a' | 'b'): boolean {
    const line = (towards === 'a' ? this.toA : this.toB).shift();
    if (line === undefined) return false;
    this[towards].receive(line.trimEnd());
    return true;
  }

  settle(): void {
    while (this.step('a') || this.step('b'));
  }
}

describe('a resumable channel', () => {
  it('delivers what was sent before there was a link, and both ways', () => {
    const talk = new Conversation();
    talk.a.send('early');
    talk.link();
    talk.b.send({ answer: 1 });
    talk.settle();
    assert.deepEqual(talk.heard, { a: [{ answer: 1 }], b: ['early'] });
  });

  it('delivers everything once and in order, wherever the link is cut', () => {
    const random = seededRandom('resumable channel');
    for (let round = 0; round < 200; round += 1) {
      const talk = new Conversation();
      const sent = { a: [] as number[], b: [] as number[] };
      for (let move = 0; move < 200; move += 1) {
        const choice = random();
        if (choice < 0.3) {
          sent.b.push(move);
          talk.a.send(move);
        } else if (choice < 0.6) {
          sent.a.push(move);
          talk.b.send(move);
        } else if (choice < 0.9) talk.step(random() < 0.5 ? 'a' : 'b');
        else if (talk.a.isLinked) talk.cut();
        else talk.link();
      }
      if (!talk.a.isLinked) talk.link();
      talk.settle();
      assert.deepEqual(talk.heard, sent);
    }
  });

  it('keeps only what the other end has not confirmed', () => {
    const talk = new Conversation();
    talk.link();
    for (let index = 0; index < 1000; index += 1) {
      talk.a.send(index);
      talk.settle();
    }
    assert.ok(talk.a.pending <= 64, `${talk.a.pending} are kept`);
  });

  it('begins anew when the other end has forgotten', () => {
    const talk = new Conversation();
    talk.link();
    talk.a.send('old');
    talk.settle();
    talk.cut();
    talk.a.send('never');
    talk.a.reset();
    const fresh = new Conversation();
    talk.a.link(0, (line) => fresh.toB.push(line));
    fresh.b.link(0, () => undefined);
    talk.a.send('new');
    fresh.step('b');
    assert.deepEqual(fresh.heard.b, ['new']);
  });

  it('refuses what is none of its lines', () => {
    for (const line of [
      '',
      'x',
      '[]',
      'null',
      '{"n":1}',
      '{"a":-1}',
      '{"n":2,"a":0,"m":1}',
      '{"n":1.5,"a":0}',
      '{"a":1}',
    ]) {
      const talk = new Conversation();
      assert.throws(() => talk.a.receive(line), Error, line);
      assert.deepEqual(talk.heard.a, []);
    }
  });
});
