import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { readLine, readLines } from '../../common/lines.ts';

describe('lines of a stream', () => {
  it('are the same however the bytes arrive', async () => {
    const bytes = Buffer.from('first\nzweite – ☃\n\nlast\n');
    for (let size = 1; size <= bytes.length; size += 1) {
      const stream = new PassThrough();
      const lines: string[] = [];
      readLines(stream, { limit: 100, onLine: (line) => lines.push(line) });
      for (let at = 0; at < bytes.length; at += size) stream.write(bytes.subarray(at, at + size));
      stream.end();
      await once(stream, 'end');
      assert.deepEqual(lines, ['first', 'zweite – ☃', '', 'last']);
    }
  });

  it('follow a greeting', async () => {
    const stream = new PassThrough();
    stream.write('hello\none\ntwo\n');
    assert.equal(await readLine(stream), 'hello');
    const lines: string[] = [];
    readLines(stream, { limit: 100, onLine: (line) => lines.push(line) });
    stream.end();
    await once(stream, 'end');
    assert.deepEqual(lines, ['one', 'two']);
  });

  it('end the stream when one is too long, or whoever takes them cannot', async () => {
    const refuse = (): void => {
      throw new Error('no');
    };
    for (const [text, take] of [
      ['x'.repeat(101), () => undefined],
      ['line\n', refuse],
    ] as const) {
      const stream = new PassThrough();
      stream.on('error', () => undefined);
      const closed = once(stream, 'close');
      readLines(stream, { limit: 100, onLine: take });
      stream.write(text);
      await closed.catch(() => undefined);
      assert.equal(stream.destroyed, true);
    }
  });
});
