import assert from 'node:assert/strict';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CapsuleStore } from '../../../agent/capsules/capsuleStore.ts';
import {
  blocksOf,
  sealManifest,
  unsealManifest,
  type CapsuleManifest,
} from '../../../agent/capsules/capsuleManifest.ts';
import { FlickError } from '../../../protocol/index.ts';
import { scratch, sha } from '../files/support.ts';
import { mutate } from '../../support/mutations.ts';
import { isFullRun, seededRandom } from '../../support/seed.ts';
import { addCapsule, noise, plenty, readAll } from './support.ts';

const id = 'c-0123456789';
/** How long the fuzzing of one kind of file may take, in ms. */
const patience = isFullRun ? 60_000 : 3_000;
/** How many changes are tried at least, however slow the machine is. */
const leastTries = 50;

describe('a stored capsule that was tampered with', function () {
  this.timeout(patience * 2 + 60_000);
  let root: string;
  let folder: string;
  let discard: () => Promise<void>;
  let manifest: CapsuleManifest;
  let whole: Buffer;

  before(async () => {
    ({ root, discard } = await scratch());
    folder = join(root, 'capsules');
    const store = await CapsuleStore.open(folder, plenty);
    const text = Buffer.alloc((1 << 20) + 5000, 'compresses well, over and over; ');
    manifest = await addCapsule(store, root, id, { file: noise('file', 5000), image: text });
    whole = await readAll(store, manifest);
  });
  after(() => discard());

  async function fuzz(path: string, label: string, check: () => Promise<Buffer>): Promise<void> {
    const original = await readFile(path);
    const random = seededRandom(label);
    const deadline = Date.now() + patience;
    let tried = 0;
    try {
      while (tried < leastTries || (Date.now() < deadline && tried < 3000)) {
        const changed = mutate(original, random);
        if (changed.equals(original)) continue;
        tried += 1;
        await writeFile(path, changed);
        const read = await check().catch((error: unknown) => error);
        if (Buffer.isBuffer(read)) {
          // A change that means nothing (in a gzip header, say) may pass, with exactly what was saved.
          assert.ok(read.equals(whole), `${label}: another content after ${String(tried)} changes`);
          continue;
        }
        assert.ok(read instanceof FlickError, `${label}: ${String(read)}`);
        assert.equal(read.reason, 'capsuleDamaged', read.message);
        assert.match(read.message, /is damaged/);
      }
    } finally {
      await writeFile(path, original);
    }
  }

  it('in a block: says which, or gives exactly what was saved', async () => {
    const store = await CapsuleStore.open(folder, plenty);
    const digests = [...blocksOf(manifest)];
    assert.ok(digests.length >= 4);
    const random = seededRandom('which block');
    const digest = digests[Math.floor(random() * digests.length)] ?? '';
    const path = join(folder, 'blocks', digest.slice(0, 2), digest);
    await fuzz(path, `block ${digest}`, () => readAll(store, manifest));
  });

  it('in a manifest: is never taken for a capsule', async () => {
    const path = join(folder, 'manifests', id);
    await fuzz(path, 'manifest', async () => {
      const store = await CapsuleStore.open(folder, plenty);
      assert.equal(store.list().length, 0);
      return readAll(store, await store.manifest(id));
    });
  });

  it('with files of others in its place: leaves them alone', async () => {
    const outside = join(root, 'outside');
    await writeFile(outside, 'mine');
    const store = await CapsuleStore.open(folder, plenty);
    for (const hostile of ['../outside', `../../${'0'.repeat(60)}`, '/etc/passwd', '']) {
      await assert.rejects(store.manifest(hostile), /There is no capsule/);
      await assert.rejects(store.remove(hostile), /There is no capsule/);
    }
    assert.equal(await readFile(outside, 'utf8'), 'mine');
    assert.ok((await readdir(join(folder, 'manifests'))).includes(id));
  });

  /** What somebody could write who knows the format, with the right checksum. */
  function forge(change: (copy: Record<string, unknown>) => void): () => CapsuleManifest {
    const copy = structuredClone(manifest) as unknown as Record<string, unknown>;
    change(copy);
    const sealed = Buffer.from(sealManifest(copy as unknown as CapsuleManifest));
    return () => unsealManifest(id, sealed);
  }

  const file = (): Record<string, unknown> => ({ ...manifest.entries[0] });
  const forgeries: readonly (readonly [string, (copy: Record<string, unknown>) => void])[] = [
    ...[
      '../../etc/passwd',
      '/srv/../etc/passwd',
      '/proc/self/mem',
      '/srv//x',
      'relative',
      '/a\0b',
    ].map((path): readonly [string, (copy: Record<string, unknown>) => void] => [
      `the path ${JSON.stringify(path)}`,
      (copy) => (copy['entries'] = [{ ...file(), path }]),
    ]),
    ['a path twice', (copy) => (copy['entries'] = [file(), file()])],
    ['a huge file', (copy) => (copy['entries'] = [{ ...file(), size: 2 ** 50 }])],
    ['a negative size', (copy) => (copy['entries'] = [{ ...file(), size: -1 }])],
    ['a file without content', (copy) => (copy['contents'] = {})],
    [
      'a digest that is a path',
      (copy) =>
        (copy['scrollback'] = { base: 0, content: { size: 7, blocks: ['../../../etc/passwd'] } }),
    ],
    [
      'more blocks than its size has',
      (copy) =>
        (copy['scrollback'] = { base: 0, content: { size: 7, blocks: [sha('a'), sha('b')] } }),
    ],
    [
      'an image outside its folder',
      (copy) =>
        (copy['images'] = {
          ...manifest.images,
          files: [{ name: '../../x.img', content: { size: 0, blocks: [] } }],
        }),
    ],
    [
      'an image twice',
      (copy) =>
        (copy['images'] = {
          ...manifest.images,
          files: [...manifest.images.files, ...manifest.images.files],
        }),
    ],
    [
      'more memory than there can be',
      (copy) =>
        (copy['images'] = {
          ...manifest.images,
          files: [{ name: 'pages-1.img', content: { size: 2 ** 52, blocks: [] } }],
        }),
    ],
    ['another id', (copy) => (copy['id'] = 'c-9999999999')],
    ['an id that is a path', (copy) => (copy['id'] = '../../..')],
    ['a later version', (copy) => (copy['version'] = 2)],
    [
      'nothing at all',
      (copy) => Object.keys(copy).forEach((key) => Reflect.deleteProperty(copy, key)),
    ],
  ];
  for (const [what, change] of forgeries) {
    it(`is refused with ${what}`, () => {
      assert.throws(forge(change), (error) => {
        assert.ok(error instanceof FlickError);
        assert.equal(error.reason, 'capsuleDamaged');
        assert.match(error.message, /manifest of the capsule c-0123456789 is damaged: /);
        return true;
      });
    });
  }

  it('is read as it was when nobody touched it', () => {
    assert.deepEqual(forge(() => undefined)(), manifest);
  });

  it('keeps its content when a forged manifest swaps blocks: the length betrays it', async () => {
    const store = await CapsuleStore.open(folder, plenty);
    const [block = ''] = manifest.scrollback.content.blocks;
    const content = { size: 6, blocks: [block] };
    const forged = { ...manifest, scrollback: { base: 0, content } };
    await assert.rejects(readAll(store, forged), /is damaged: it has another length/);
    assert.ok((await stat(join(folder, 'manifests', id))).isFile());
  });
});
