import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { FrameStream, type Frame } from '../../common/frames.ts';
import { FlickError } from '../../protocol/index.ts';
import { mutate } from '../support/mutations.ts';
import { seededRandom } from '../support/seed.ts';

/** What one side of a sealed conversation writes after both have said one thing. */
async function conversation(): Promise<Buffer> {
  const { left, right, written } = pair();
  await begin(left, right);
  written.length = 0;
  await left.sendJson({ type: 'images', names: Array.from({ length: 300 }, (_, n) => `n${n}`) });
  await left.sendData(Buffer.alloc(5_000, 'page'));
  await left.sendData(Buffer.alloc(5_000, 'page'));
  await left.sendJson({ type: 'run', input: '' });
  return Buffer.concat(written);
}

async function begin(left: FrameStream, right: FrameStream): Promise<void> {
  await left.sendJson({ type: 'offer', name: 'a' });
  await right.receiveJson();
  await right.sendJson({ type: 'accept' });
  right.seal();
  await left.receiveJson();
  left.seal();
}

/** Two ends; what the left one writes is recorded, and something else can be put in its place. */
function pair(): {
  left: FrameStream;
  right: FrameStream;
  written: Buffer[];
  forge: (bytes: Buffer | null) => void;
} {
  const written: Buffer[] = [];
  const end = (write: (chunk: Buffer) => void): Duplex =>
    new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        write(chunk);
        done();
      },
    });
  const one: Duplex = end((chunk) => {
    written.push(chunk);
    other.push(chunk);
  });
  const other: Duplex = end((chunk) => one.push(chunk));
  return {
    left: new FrameStream(one),
    right: new FrameStream(other),
    written,
    forge: (bytes) => other.push(bytes),
  };
}

/** All frames that a receiver takes out of what was written, and why it stopped. */
async function read(bytes: Buffer): Promise<{ frames: Frame[]; error: unknown }> {
  const { left, right, forge } = pair();
  await begin(left, right);
  forge(bytes);
  forge(null);
  const frames: Frame[] = [];
  for (;;) {
    try {
      frames.push(await right.receive());
    } catch (error) {
      return { frames, error };
    }
  }
}

describe('a sealed stream of frames', () => {
  it('gives nothing that was not sent just there, whatever happens to its bytes', async () => {
    const whole = await conversation();
    const honest = await read(whole);
    assert.equal(honest.frames.length, 4);
    const random = seededRandom('frames');
    for (let round = 0; round < 400; round += 1) {
      const mutated = mutate(whole, random);
      if (mutated.equals(whole)) continue;
      const { frames, error } = await read(mutated);
      assert.deepEqual(frames, honest.frames.slice(0, frames.length));
      assert.ok(frames.length < 4 || mutated.length > whole.length);
      if (error instanceof FlickError) assert.match(error.message, /damaged on the way/);
      else assert.match(String(error), /closed the handoff stream/);
    }
  });

  it('does not carry the frames of another conversation', async () => {
    const { left, right, forge } = pair();
    await left.sendJson({ type: 'offer', name: 'b' });
    await right.receiveJson();
    await right.sendJson({ type: 'accept' });
    right.seal();
    forge(await conversation());
    await assert.rejects(right.receive(), /damaged on the way/);
  });
});
