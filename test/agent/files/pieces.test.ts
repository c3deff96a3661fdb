import assert from 'node:assert/strict';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { KeptFiles, withBases } from '../../../agent/files/keptFiles.ts';
import { LayerWriter } from '../../../agent/files/layerWriter.ts';
import type { Entry, FileEntry } from '../../../agent/files/manifest.ts';
import {
  digestOf,
  endOfPiece,
  largestPiece,
  leastPiece,
  normalPiece,
  piecesOf,
} from '../../../agent/files/pieces.ts';
import { missing } from '../../../agent/files/pieceTransfer.ts';
import { receiveFiles, sendFiles, type TransferResult } from '../../../agent/files/transfer.ts';
import { expect } from '../../../agent/handoff/messages.ts';
import type { FrameStream } from '../../../common/frames.ts';
import { noise } from '../capsules/support.ts';
import { fileOf, framePair, listing, put, scratch, sha } from './support.ts';

const megabyte = 1 << 20;

/** Pieces of a content, each as its digest. */
function cut(content: Buffer): string[] {
  const pieces: string[] = [];
  for (let start = 0; start < content.length;) {
    const end = endOfPiece(content, start, true);
    assert.ok(end !== undefined && end > start && end - start <= largestPiece);
    assert.ok(end - start >= leastPiece || end === content.length);
    pieces.push(digestOf(content.subarray(start, end)).toString('hex'));
    start = end;
  }
  return pieces;
}

/** Bytes of a content that lie in pieces which an earlier version does not have, about. */
function strange(content: Buffer, earlier: Buffer): number {
  const known = new Set(cut(earlier));
  const pieces = cut(content);
  const foreign = pieces.filter((each) => !known.has(each)).length;
  return Math.round((foreign / pieces.length) * content.length);
}

describe('cutting files into pieces', () => {
  const content = noise('content', 4 * megabyte);

  it('makes pieces of about the normal size', () => {
    const mean = content.length / cut(content).length;
    assert.ok(mean > normalPiece * 0.7 && mean < normalPiece * 1.6, String(mean));
  });

  it('keeps the cuts around an insertion, a removal, a change and an end that grows', () => {
    const middle = 2 * megabyte + 137;
    const [before, after] = [content.subarray(0, middle), content.subarray(middle)];
    const near = 3 * largestPiece;
    assert.ok(strange(Buffer.concat([before, Buffer.from('x'), after]), content) < near);
    assert.ok(strange(Buffer.concat([before, noise('more', 5000), after]), content) < near);
    assert.ok(strange(Buffer.concat([before, after.subarray(7777)]), content) < near);
    assert.ok(strange(Buffer.concat([Buffer.from('#'), content]), content) < near);
    assert.ok(strange(Buffer.concat([content, noise('line', 300)]), content) < near);
    const changed = Buffer.from(content);
    noise('page', 4096).copy(changed, middle);
    assert.ok(strange(changed, content) < near);
  });

  it('cuts alike however the file is read, and says nothing of an end that is not there yet', async () => {
    const { root, discard } = await scratch();
    try {
      await put(join(root, 'file'), content);
      const file = await open(join(root, 'file'));
      const found: string[] = [];
      let position = 0;
      for await (const pieces of piecesOf(file, content.length)) {
        for (const each of pieces) {
          assert.equal(each.position, position);
          position += each.data.length;
          found.push(digestOf(each.data).toString('hex'));
        }
      }
      await file.close();
      assert.deepEqual(found, cut(content));
      assert.equal(endOfPiece(content.subarray(0, leastPiece), 0, false), undefined);
    } finally {
      await discard();
    }
  });

  it('cuts what says nothing, like zeros, at the largest size', () => {
    assert.equal(endOfPiece(Buffer.alloc(megabyte), 0, true), largestPiece);
  });
});

describe('sending files of which something is there', () => {
  let root: string;
  let discard: () => Promise<void>;
  let kept: KeptFiles;
  let left: FrameStream;
  let right: FrameStream;
  beforeEach(async () => {
    ({ root, discard } = await scratch());
    kept = new KeptFiles(join(root, 'kept'));
    [left, right] = framePair();
  });
  afterEach(() => discard());

  /** A layer over `root/device`, in which files of earlier moves are kept too. */
  async function layer(): Promise<LayerWriter> {
    await put(join(root, 'device/there'), '');
    const upper = join(root, 'layer/upper');
    const overlay = { mountPoint: '/', upper, work: join(root, 'layer/work') };
    const base = join(root, 'device');
    return await LayerWriter.open({ overlays: [overlay], bare: [] }, { base, kept });
  }

  async function pass(entries: readonly Entry[], writer: LayerWriter): Promise<TransferResult> {
    const paths = await withBases(writer, entries);
    const answer = (): Promise<{ type: 'missing'; mask: string }> => expect(left, missing);
    const [, received] = await Promise.all([
      sendFiles(left, join(root, 'source'), entries, { based: { paths, answer } }),
      receiveFiles(right, writer, entries),
    ]);
    return received;
  }

  async function arrived(writer: LayerWriter): Promise<string> {
    await writer.seal();
    const there = await listing(join(root, 'layer/upper'));
    return sha(there['/db'] ?? '');
  }

  /** Text, so that it can be compared after it was read as such. */
  function text(label: string, length: number): Buffer {
    return Buffer.from(noise(label, length).toString('hex').slice(0, length));
  }

  const old = text('old', 20 * megabyte);
  const ways: readonly (readonly [string, Buffer, number])[] = [
    ['grown at the end', Buffer.concat([old, text('tail', 100_000)]), 250_000],
    [
      'with something inserted in the middle',
      Buffer.concat([old.subarray(0, 9e6), text('in', 30_000), old.subarray(9e6)]),
      200_000,
    ],
    ['cut short', old.subarray(0, 11e6), 100_000],
    ['unchanged', old, 60_000],
    [
      'with holes',
      Buffer.concat([old.subarray(0, 4e6), Buffer.alloc(20e6), old.subarray(4e6)]),
      250_000,
    ],
  ];
  for (const [what, content, most] of ways) {
    it(`costs what is different in a file that is ${what}`, async () => {
      await put(join(root, 'source/db'), content);
      const writer = await layer();
      await put(join(root, 'device/db'), old);
      const { changed } = await pass([fileOf('/db', content)], writer);
      assert.deepEqual(changed, []);
      assert.equal(await arrived(writer), sha(content));
      assert.ok(left.bytesSent < most, `${left.bytesSent} bytes`);
      assert.ok(right.bytesSent < 3_000);
      await writer.close();
    });
  }

  it('takes up what a transfer that was broken off had sent', async () => {
    const content = noise('whole', 6 * megabyte);
    await put(join(root, 'source/db'), content);
    const entry = fileOf('/db', content);
    const writer = await layer();
    assert.equal((await withBases(writer, [entry])).size, 0);
    const cancel = new AbortController();
    let received = 0;
    const onProgress = (bytes: number): void => {
      received += bytes;
      if (received > 4 * megabyte) cancel.abort();
    };
    const { signal } = cancel;
    const receiving = receiveFiles(right, writer, [entry], { signal, onProgress });
    await Promise.all([
      sendFiles(left, join(root, 'source'), [entry], { signal }).catch(() => undefined),
      assert.rejects(receiving, { reason: 'cancelled' }),
    ]);
    assert.deepEqual(Object.keys(await listing(join(root, 'layer/upper'))), []);
    [left, right] = framePair();
    await pass([entry], writer);
    const placed = await stat(join(root, 'layer/upper/db'));
    assert.equal(placed.size, content.length);
    assert.ok(left.bytesSent < 2.2 * megabyte, `${left.bytesSent} bytes`);
    await writer.close();
  });

  it('leaves what it got of the missing pieces when it is broken off, and what was there before', async () => {
    const content = noise('whole', 6 * megabyte);
    await put(join(root, 'source/db'), content);
    await put(join(root, 'device/db'), content.subarray(0, megabyte));
    const entry = fileOf('/db', content);
    const writer = await layer();
    const breakOff = async (megabytes: number): Promise<void> => {
      const cancel = new AbortController();
      const { signal } = cancel;
      const heed = async (): Promise<void> => {
        while (left.bytesSent < megabytes * megabyte && !signal.aborted) await delay(1);
        cancel.abort();
      };
      const paths = await withBases(writer, [entry]);
      const answer = (): Promise<{ type: 'missing'; mask: string }> => expect(left, missing);
      const based = { paths, answer };
      await Promise.all([
        heed(),
        sendFiles(left, join(root, 'source'), [entry], { signal, based }).catch(() => undefined),
        assert.rejects(receiveFiles(right, writer, [entry], { signal }), { reason: 'cancelled' }),
      ]);
      [left, right] = framePair();
    };
    await breakOff(3);
    const [part = ''] = await readdir(kept.folder);
    const { size } = await stat(join(kept.folder, part));
    assert.ok(size > 2.5 * megabyte, `${size} bytes`);
    await breakOff(0);
    const sooner = await kept.create(entry);
    await sooner.write(content.subarray(0, 300_000), 0);
    await sooner.discard();
    assert.equal((await stat(join(kept.folder, part))).size, size);
    await pass([entry], writer);
    assert.ok(left.bytesSent < content.length - size + 200_000, `${left.bytesSent} bytes`);
    await writer.close();
  });

  it('uses what it got of a file that grew while it was sent', async () => {
    const content = noise('log', 5 * megabyte);
    const more = Buffer.concat([content, noise('more', 1000)]);
    await put(join(root, 'source/db'), more);
    const writer = await layer();
    const { changed } = await pass([fileOf('/db', content)], writer);
    assert.deepEqual(changed, ['/db']);
    [left, right] = framePair();
    assert.deepEqual((await pass([fileOf('/db', more)], writer)).changed, []);
    assert.ok(left.bytesSent < 150_000, `${left.bytesSent} bytes`);
    await writer.close();
  });

  describe('refuses', () => {
    const content = noise('honest', megabyte);
    const entry: FileEntry = fileOf('/db', content);
    const record = (digest: Buffer, length: number): Buffer => {
      const bytes = Buffer.alloc(20);
      digest.copy(bytes);
      bytes.writeUInt32BE(length, 16);
      return bytes;
    };
    const some = record(digestOf(content.subarray(0, 8192)), 8192);
    const raw = (data: Buffer): Buffer => Buffer.concat([Buffer.from([0]), data]);
    const attacks: readonly (readonly [string, readonly Buffer[], RegExp])[] = [
      ['a list that is none', [Buffer.alloc(19)], /list of the pieces of \/db that is none/],
      ['pieces without end', [Buffer.alloc(20 * 5000, 1)], /that is none/],
      ['a piece of no bytes', [record(Buffer.alloc(16), 0)], /of a size that no piece has/],
      ['a huge piece', [record(Buffer.alloc(16), 0xffff_ffff)], /of a size that no piece has/],
      [
        'more than the file has',
        [Buffer.concat(Array.from({ length: 20 }, () => record(Buffer.alloc(16), 65_536)))],
        /more of \/db than announced/,
      ],
      [
        'other content than its digest says',
        [some, raw(Buffer.alloc(8192, 1))],
        /another content than announced/,
      ],
      ['more content than is missing', [some, raw(Buffer.alloc(8193, 1))], /more of \/db/],
      ['content in empty parts', [some, raw(Buffer.alloc(0))], /an empty part/],
      ['too little', [some, raw(content.subarray(0, 8192))], /another content than announced/],
    ];
    for (const [what, frames, sentence] of attacks) {
      it(what, async () => {
        const writer = await layer();
        const receiving = receiveFiles(right, writer, [entry]);
        await left.sendJson({ type: 'file', path: '/db', pieces: true });
        for (const frame of frames) await left.sendData(frame);
        await left.sendJson({ type: 'end', sha256: entry.sha256 });
        await assert.rejects(receiving, { reason: 'transferFailed', message: sentence });
        assert.deepEqual(Object.keys(await listing(join(root, 'layer/upper'))), []);
        await writer.close();
      });
    }
  });
});
