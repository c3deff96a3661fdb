import assert from 'node:assert/strict';
import { readFile, stat, symlink, truncate, writeFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { blockBytes } from '../../../agent/capsules/blockCodec.ts';
import type { BlockStore } from '../../../agent/capsules/blockStore.ts';
import { FlickError } from '../../../protocol/index.ts';
import { run, scratch, sha } from '../files/support.ts';
import { requireProvisioned, root } from '../../support/provisioned.ts';
import { blocksOnDisk, isEmpty, noise, openBlocks } from './support.ts';

describe('block store', () => {
  let folder: string;
  let discard: () => Promise<void>;
  let store: BlockStore;

  beforeEach(async () => {
    ({ root: folder, discard } = await scratch());
    store = await openBlocks(folder);
  });
  afterEach(() => discard());

  const pathOf = (digest: string): string => join(folder, 'blocks', digest.slice(0, 2), digest);
  const damaged = (digest: string, why: RegExp) => (error: unknown) => {
    assert.ok(error instanceof FlickError);
    assert.equal(error.reason, 'capsuleDamaged');
    assert.ok(error.message.includes(digest), error.message);
    assert.match(error.message, why);
    assert.match(error.remedy ?? '', /flick capsule rm/);
    return true;
  };

  it('gives back what was put, compressed where that pays', async () => {
    const text = Buffer.alloc(blockBytes, 'the same words again ');
    for (const data of [text, noise('random', blockBytes), Buffer.alloc(0), Buffer.from('x')]) {
      const digest = await store.put(data);
      assert.equal(digest, sha(data));
      assert.deepEqual(await store.get(digest), data);
    }
    assert.ok((await stat(pathOf(sha(text)))).size < blockBytes / 10);
    assert.equal((await stat(pathOf(sha(text)))).mode & 0o777, 0o600);
    assert.ok(await isEmpty(join(folder, 'temporary')));
  });

  it('keeps equal content once, and as long as somebody holds it', async () => {
    const data = noise('shared', 5000);
    const [one, other] = await Promise.all([store.put(data), store.put(data)]);
    assert.equal(one, other);
    assert.deepEqual(await blocksOnDisk(folder), [one]);
    const { storedBytes } = store;
    await store.release([one]);
    assert.deepEqual(await store.get(one), data);
    assert.equal(store.storedBytes, storedBytes);
    await store.release([one]);
    assert.deepEqual(await blocksOnDisk(folder), []);
    assert.equal(store.storedBytes, 0);
  });

  it('never loses a block that is put while it is removed', async () => {
    const data = noise('contended', 3000);
    for (let round = 0; round < 50; round += 1) {
      const digest = await store.put(data);
      const [, again] = await Promise.all([store.release([digest]), store.put(data)]);
      assert.deepEqual(await store.get(again), data);
      await store.release([again]);
    }
  });

  it('takes no more than its limit, and more again when something went', async () => {
    const small = await openBlocks(folder, 10_000);
    const first = await small.put(noise('first', 6000));
    await assert.rejects(small.put(noise('second', 6000)), (error) => {
      assert.ok(error instanceof FlickError);
      assert.equal(error.reason, 'diskFull');
      assert.match(error.remedy ?? '', /flick capsule rm/);
      return true;
    });
    assert.deepEqual(await blocksOnDisk(folder), [first]);
    await small.release([first]);
    await small.put(noise('second', 6000));
  });

  it('knows what is there when it is opened again, and sweeps what nobody holds', async () => {
    const kept = await store.put(noise('kept', 100));
    await store.put(noise('left', 100));
    const again = await openBlocks(folder);
    assert.equal(again.storedBytes, store.storedBytes);
    again.retain([kept]);
    await again.sweep();
    assert.deepEqual(await blocksOnDisk(folder), [kept]);
  });

  it('says which block is damaged, and how', async () => {
    const data = noise('victim', 4000);
    const digest = await store.put(data);
    const path = pathOf(digest);
    const bombs = gzipSync(Buffer.alloc(64 << 20));
    for (const [content, why] of [
      [Buffer.alloc(0), /of no format that is known/],
      [Buffer.from([0]), /its content has changed/],
      [Buffer.from([9, 1, 2]), /of no format that is known/],
      [Buffer.concat([Buffer.from([0]), noise('another', 4000)]), /its content has changed/],
      [Buffer.concat([Buffer.from([1]), bombs]), /does not decompress/],
      [Buffer.concat([Buffer.from([1]), noise('garbage', 100)]), /does not decompress/],
    ] as const) {
      await writeFile(path, content);
      await assert.rejects(store.get(digest), damaged(digest, why));
    }
    await truncate(path, 1 << 30);
    await assert.rejects(store.get(digest), damaged(digest, /it is too large/));
    await rm(path);
    await assert.rejects(store.get(digest), damaged(digest, /it is missing/));
    await writeFile(join(folder, 'elsewhere'), Buffer.concat([Buffer.from([0]), data]));
    await symlink(join(folder, 'elsewhere'), path);
    await assert.rejects(store.get(digest), damaged(digest, /ELOOP/));
    await rm(path);
    // No writer: opening it like a file would wait for ever.
    await run('mkfifo', [path]);
    await assert.rejects(store.get(digest), damaged(digest, /it is no file/));
  });

  it('heals a damaged block when its content is put again', async () => {
    const data = noise('healed', 4000);
    const digest = await store.put(data);
    await writeFile(pathOf(digest), 'nonsense');
    await store.put(data);
    assert.deepEqual(await store.get(digest), data);
  });

  it('never makes a path of what is no digest', async () => {
    for (const digest of ['../../etc/passwd', '', `${'0'.repeat(62)}/x`, 'A'.repeat(64)]) {
      await assert.rejects(store.get(digest));
    }
  });

  it('keeps the event loop free while it hashes and compresses', async () => {
    let said = '';
    // On a busy machine something else may come in between, but not every time.
    for (let round = 0; round < 10; round += 1) {
      const labels = Array.from({ length: 8 }, (_, i) => `loop ${String(round)} ${String(i)}`);
      const many = labels.map((label) => noise(label, blockBytes));
      let longest = 0;
      let last = performance.now();
      const timer = setInterval(() => {
        const now = performance.now();
        longest = Math.max(longest, now - last);
        last = now;
      }, 1);
      const started = performance.now();
      await Promise.all(many.map((each) => store.put(each)));
      clearInterval(timer);
      const took = performance.now() - started;
      if (longest < Math.max(100, took / 3)) return;
      said += `${String(longest)} ms of ${String(took)} ms; `;
    }
    assert.fail(said);
  });

  it('uses Zstandard where Node.js has it, whose blocks others refuse with the reason', async function () {
    this.timeout(20_000);
    const node24 = requireProvisioned(this, 'node24');
    const program = join(import.meta.dirname, 'putBlock.ts');
    const text = 'the same words again '.repeat(1000);
    const { stdout } = await run(node24, [program, folder, text], { cwd: root });
    const digest = stdout.trim();
    assert.equal(digest, sha(text));
    assert.equal((await readFile(pathOf(digest)))[0], 2);
    const here = store.get(digest);
    if (Number(process.versions.node.split('.')[0]) >= 24) {
      assert.equal((await here).toString(), text);
    } else {
      await assert.rejects(here, damaged(digest, /compressed by a newer Node\.js/));
    }
  });
});
