import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { appendFile, open, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { collectEntries } from '../../../agent/files/collect.ts';
import type { FileEntry } from '../../../agent/files/manifest.ts';
import {
  type FileSink,
  type IncomingFile,
  receiveFiles,
  sendFiles,
} from '../../../agent/files/transfer.ts';
import type { FrameStream } from '../../../common/frames.ts';
import { fileOf, framePair, put, scratch, sha } from './support.ts';

/** Keeps what arrives in memory; zeros that were never written are zeros. */
class MemorySink implements FileSink {
  readonly files = new Map<string, Buffer>();
  readonly discarded: string[] = [];
  written = 0;

  async create(entry: FileEntry): Promise<IncomingFile> {
    const content = Buffer.alloc(entry.size);
    return {
      write: async (data, position) => {
        this.written += data.copy(content, position);
      },
      accept: async () => {
        this.files.set(entry.path, content);
      },
      discard: async () => {
        this.discarded.push(entry.path);
      },
    };
  }
}

const nothing = { mapped: [], open: [], carry: [], cwds: [] };

describe('sending files', () => {
  let root = '';
  let discard = async (): Promise<void> => undefined;
  beforeEach(async () => ({ root, discard } = await scratch()));
  afterEach(() => discard());

  it('carries text, noise, holes and nothing, and the bytes on the wire are few', async () => {
    const text = Buffer.from('all work and no play\n'.repeat(100_000));
    const noise = randomBytes(1_500_000);
    await put(join(root, 'd/text'), text);
    await put(join(root, 'd/noise'), noise);
    await put(join(root, 'd/empty'), '');
    const sparse = await open(join(root, 'd/sparse'), 'w');
    await sparse.write(Buffer.from('middle'), 0, 6, 40_000_003);
    await sparse.truncate(100_000_000);
    await sparse.close();
    const { entries } = await collectEntries(root, { ...nothing, carry: ['/d'] });
    const [left, right] = framePair();
    const sink = new MemorySink();
    let progress = 0;
    const [sent, received] = await Promise.all([
      sendFiles(left, root, entries),
      receiveFiles(right, sink, entries, { onProgress: (bytes) => (progress += bytes) }),
    ]);
    assert.deepEqual([sent.changed, received.changed], [[], []]);
    assert.ok(sink.files.get('/d/text')?.equals(text));
    assert.ok(sink.files.get('/d/noise')?.equals(noise));
    assert.equal(sink.files.get('/d/empty')?.length, 0);
    const middle = sink.files.get('/d/sparse');
    assert.equal(middle?.subarray(40_000_003, 40_000_009).toString(), 'middle');
    assert.equal(progress, text.length + noise.length + 100_000_000);
    assert.ok(left.bytesSent < 1_700_000, `${left.bytesSent} bytes were sent`);
    assert.ok(sink.written < 4_000_000, 'holes stay holes');
  });

  it('tells of files that change, shrink or go while they are sent', async () => {
    for (const name of ['grows', 'shrinks', 'gone', 'rewritten', 'stays']) {
      await put(join(root, name), 'x'.repeat(3_000_000));
    }
    const paths = ['/grows', '/shrinks', '/gone', '/rewritten', '/stays'];
    const { entries } = await collectEntries(root, { ...nothing, open: paths });
    await appendFile(join(root, 'grows'), 'more');
    await put(join(root, 'shrinks'), 'x'.repeat(10));
    await unlink(join(root, 'gone'));
    const [left, right] = framePair();
    const sink = new MemorySink();
    let touched = false;
    const [sent, received] = await Promise.all([
      sendFiles(left, root, entries, {
        // In the middle of the first file that is really sent, at the same size, before any more of it is read.
        onProgress: () => {
          if (touched) return;
          touched = true;
          writeFileSync(join(root, 'rewritten'), 'y'.repeat(3_000_000));
        },
      }),
      receiveFiles(right, sink, entries),
    ]);
    assert.deepEqual(sent.changed, ['/gone', '/grows', '/rewritten', '/shrinks']);
    assert.deepEqual(received.changed, sent.changed);
    assert.deepEqual(sink.discarded, sent.changed);
    assert.deepEqual([...sink.files.keys()], ['/stays']);
  });

  it('is cancelled from either side, also while it waits', async () => {
    const [, right] = framePair();
    const controller = new AbortController();
    const receiving = receiveFiles(right, new MemorySink(), [fileOf('/a', 'x')], {
      signal: controller.signal,
    });
    setTimeout(() => {
      controller.abort();
    }, 20);
    await assert.rejects(receiving, { reason: 'cancelled' });
    await assert.rejects(
      sendFiles(right, root, [fileOf('/a', 'x')], { signal: controller.signal }),
      {
        reason: 'cancelled',
      },
    );
  });

  const entry = fileOf('/a', 'abc');
  const attacks: Record<string, (frames: FrameStream) => Promise<void>> = {
    'another path': (frames) => frames.sendJson({ type: 'file', path: '/etc/passwd' }),
    'a path that climbs': (frames) => frames.sendJson({ type: 'file', path: '/a/../b' }),
    'data first': (frames) => frames.sendData(Buffer.from('\0abc')),
    'the end first': (frames) => frames.sendJson({ type: 'done' }),
    'too many bytes': async (frames) => {
      await frames.sendJson({ type: 'file', path: '/a' });
      await frames.sendData(Buffer.from('\0abcd'));
    },
    'too few bytes': async (frames) => {
      await frames.sendJson({ type: 'file', path: '/a' });
      await frames.sendData(Buffer.from('\0ab'));
      await frames.sendJson({ type: 'end', sha256: sha('abc') });
    },
    'other content': async (frames) => {
      await frames.sendJson({ type: 'file', path: '/a' });
      await frames.sendData(Buffer.from('\0abd'));
      await frames.sendJson({ type: 'end', sha256: sha('abc') });
    },
    'a compression bomb': async (frames) => {
      await frames.sendJson({ type: 'file', path: '/a' });
      const packed = gzipSync(Buffer.alloc(50_000_000));
      await frames.sendData(Buffer.concat([Buffer.from([1, 0, 0, 0, 3]), packed]));
    },
    'damaged compression': async (frames) => {
      await frames.sendJson({ type: 'file', path: '/a' });
      await frames.sendData(Buffer.from([1, 0, 0, 0, 3, 1, 2, 3]));
    },
    'an endless hole': async (frames) => {
      await frames.sendJson({ type: 'file', path: '/a' });
      await frames.sendData(Buffer.from([2, 255, 255, 255, 255, 255, 255, 255, 255]));
    },
    'an unknown chunk': async (frames) => {
      await frames.sendJson({ type: 'file', path: '/a' });
      await frames.sendData(Buffer.from([9]));
    },
    'an empty chunk': async (frames) => {
      await frames.sendJson({ type: 'file', path: '/a' });
      await frames.sendData(Buffer.from([1]));
    },
    'no end': async (frames) => {
      frames.end();
    },
  };
  for (const [what, attack] of Object.entries(attacks)) {
    it(`refuses ${what}`, async () => {
      const [left, right] = framePair();
      const sink = new MemorySink();
      const attacking = attack(left).catch(() => undefined);
      await assert.rejects(receiveFiles(right, sink, [entry]), { reason: 'transferFailed' });
      assert.equal(sink.files.size, 0);
      left.destroy();
      await attacking;
    });
  }

  it('reads a file of 500 MB of holes in bounded memory', async function () {
    this.timeout(60_000);
    const big = await open(join(root, 'big'), 'w');
    await big.truncate(500_000_000);
    await big.close();
    const { entries } = await collectEntries(root, { ...nothing, open: ['/big'] });
    const [left, right] = framePair();
    const sink: FileSink = {
      create: async () => ({
        write: async () => undefined,
        accept: async () => undefined,
        discard: async () => undefined,
      }),
    };
    const before = process.memoryUsage().rss;
    await Promise.all([sendFiles(left, root, entries), receiveFiles(right, sink, entries)]);
    assert.ok(process.memoryUsage().rss - before < 200e6);
    assert.equal((await stat(join(root, 'big'))).blocks, 0);
  });
});
