import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { CapsuleStore, limitFrom } from '../../../agent/capsules/capsuleStore.ts';
import type { CapsuleManifest } from '../../../agent/capsules/capsuleManifest.ts';
import { KeptFiles } from '../../../agent/files/keptFiles.ts';
import { FlickError } from '../../../protocol/index.ts';
import { fileOf, scratch, sha } from '../files/support.ts';
import { isFullRun, seededRandom } from '../../support/seed.ts';
import {
  addCapsule,
  blocksOnDisk,
  isEmpty,
  neededBlocks,
  noise,
  plenty,
  readAll,
} from './support.ts';

const ids = ['c-aaaaaaaaaa', 'c-bbbbbbbbbb', 'c-cccccccccc'] as const;

describe('capsule store', () => {
  let root: string;
  let folder: string;
  let discard: () => Promise<void>;

  beforeEach(async () => {
    ({ root, discard } = await scratch());
    folder = join(root, 'capsules');
  });
  afterEach(() => discard());

  const open = (limit = plenty): Promise<CapsuleStore> => CapsuleStore.open(folder, limit);
  const reason = (wanted: string, message: RegExp) => (error: unknown) => {
    assert.ok(error instanceof FlickError, String(error));
    assert.equal(error.reason, wanted);
    assert.match(error.message, message);
    return true;
  };

  it('has what was saved when it is opened again', async () => {
    const content = { file: noise('file', 4000), image: noise('image', (2 << 20) + 17) };
    const saved = await addCapsule(await open(), root, ids[0], content);
    const store = await open();
    assert.deepEqual(
      store.list().map(({ id, name, sizeBytes }) => ({ id, name, sizeBytes })),
      [{ id: ids[0], name: saved.name, sizeBytes: 4000 + (2 << 20) + 17 + 7 }],
    );
    assert.deepEqual(await store.manifest(ids[0]), saved);
    assert.deepEqual(
      await readAll(store, saved),
      Buffer.concat([content.file, Buffer.from('hello\r\n'), content.image]),
    );
    for (const each of ['manifests', 'blocks', 'incoming', `manifests/${ids[0]}`]) {
      assert.equal((await stat(join(folder, each))).mode & 0o077, 0, each);
    }
  });

  it('stores once what capsules share, and removes what only the removed one needed', async () => {
    const store = await open();
    const shared = noise('shared', 4000);
    const one = await addCapsule(store, root, ids[0], { file: shared, image: noise('one', 9000) });
    const other = await addCapsule(store, root, ids[1], {
      file: shared,
      image: noise('two', 9000),
    });
    assert.deepEqual(await blocksOnDisk(folder), neededBlocks([one, other]));
    assert.equal(neededBlocks([one, other]).length, 4);
    await store.remove(ids[0]);
    assert.deepEqual(await blocksOnDisk(folder), neededBlocks([other]));
    await readAll(store, other);
    await assert.rejects(
      store.manifest(ids[0]),
      reason('noSuchCapsule', /no capsule c-aaaaaaaaaa/),
    );
    await store.remove(ids[1]);
    assert.deepEqual(await blocksOnDisk(folder), []);
    assert.equal(store.blocks.storedBytes, 0);
  });

  it('does not remove a capsule that is being restored', async () => {
    const store = await open();
    await addCapsule(store, root, ids[0], { file: noise('f', 10), image: noise('i', 10) });
    await store.reading(ids[0], async (manifest) => {
      await assert.rejects(store.remove(ids[0]), reason('busy', /being restored/));
      await readAll(store, manifest);
    });
    await store.remove(ids[0]);
  });

  it('gives the content of a file that some capsule has', async () => {
    const store = await open();
    const file = noise('file', (3 << 20) + 5);
    const digest = sha(file);
    assert.equal(store.holds(digest), false);
    const read = async (): Promise<Buffer> => {
      const parts: Buffer[] = [];
      await store.readFile(digest, (data) => Promise.resolve(void parts.push(data)));
      return Buffer.concat(parts);
    };
    await assert.rejects(read(), reason('noSuchCapsule', /There is no capsule/));
    for (const id of [ids[0], ids[1]])
      await addCapsule(store, root, id, { file, image: noise(id, 10) });
    await store.remove(ids[0]);
    for (const each of [store, await open()]) assert.equal(each.holds(digest), true);
    assert.ok((await read()).equals(file));
    await store.remove(ids[1]);
    assert.equal(store.holds(digest), false);
  });

  it('has files for a move that is coming, but nothing of a block that is damaged', async () => {
    const store = await open();
    const files = ids.map((id) => noise(id, 300_000));
    for (const [index, id] of ids.entries()) {
      await addCapsule(store, root, id, {
        file: files[index] ?? Buffer.alloc(0),
        image: noise('i', 9),
      });
    }
    const broken = (await store.manifest(ids[1])).contents[sha(files[1] ?? '')]?.blocks[0] ?? '';
    await writeFile(join(folder, 'blocks', broken.slice(0, 2), broken), 'no block');
    const kept = new KeptFiles(join(root, 'kept'), () => Promise.resolve(store));
    const coming = [...files, noise('other', 300_000)].map((content, index) =>
      fileOf(`/srv/${String(index)}`, content),
    );
    await kept.look(coming, new AbortController().signal);
    const found: (Buffer | undefined)[] = [];
    for (const { path } of coming) {
      const [file] = await kept.open(path);
      found.push(await file?.readFile());
      await file?.close();
    }
    assert.deepEqual(found, [files[0], undefined, files[2], undefined]);
  });

  it('sweeps what a save that was interrupted left behind', async () => {
    const store = await open();
    const kept = await addCapsule(store, root, ids[0], {
      file: noise('f', 9),
      image: noise('i', 9),
    });
    await store.blocks.put(noise('orphan', 5000));
    const staging = store.stagingFolder('h-0123456789abcdef');
    await mkdir(staging);
    await writeFile(join(staging, 'pages'), 'half');
    await writeFile(join(folder, 'manifests', `${ids[1]}.0123.tmp`), 'half');
    await open();
    assert.deepEqual(await blocksOnDisk(folder), neededBlocks([kept]));
    assert.ok(await isEmpty(join(folder, 'incoming')));
    assert.deepEqual(await readdir(join(folder, 'manifests')), [ids[0]]);
  });

  it('keeps all blocks while a manifest is damaged, until that capsule is removed', async () => {
    const store = await open();
    const content = { file: noise('f', 9), image: noise('i', 9) };
    const good = await addCapsule(store, root, ids[0], content);
    const bad = await addCapsule(store, root, ids[1], { ...content, image: noise('other', 9000) });
    await writeFile(join(folder, 'manifests', ids[1]), 'nonsense');
    const again = await open();
    assert.deepEqual(await blocksOnDisk(folder), neededBlocks([good, bad]));
    assert.deepEqual(
      again.list().map((each) => each.id),
      [ids[0]],
    );
    assert.deepEqual(
      again.damaged().map((each) => each.id),
      [ids[1]],
    );
    await assert.rejects(
      again.manifest(ids[1]),
      reason('capsuleDamaged', /manifest .* is damaged/),
    );
    await again.remove(ids[1]);
    assert.deepEqual(await blocksOnDisk(folder), neededBlocks([good]));
    assert.deepEqual(again.damaged(), []);
  });

  it('reads its limit as a person sets it', () => {
    assert.equal(limitFrom('1000'), 1000);
    for (const setting of [undefined, '', 'much', '-5', '0'])
      assert.equal(limitFrom(setting), 50e9);
  });

  it('has every capsule that was said to be saved, whenever it is killed', async function () {
    this.timeout(isFullRun ? 300_000 : 60_000);
    const rounds = isFullRun ? 40 : 6;
    const random = seededRandom('killed writer');
    const announced = new Set<string>();
    const going = new Set<string>();
    for (let round = 0; round < rounds; round += 1) {
      const staging = join(root, `staging-${String(round)}`);
      await mkdir(staging);
      const program = join(import.meta.dirname, 'writeCapsules.ts');
      const writer = spawn(
        process.execPath,
        ['--import', 'tsx', program, folder, staging, String(round)],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      const exited = new Promise((resolve) => writer.once('exit', resolve));
      for await (const line of createInterface({ input: writer.stdout })) {
        const [what = '', id = ''] = line.split(' ');
        if (what === 'open') {
          void delay(Math.floor(random() * 700)).then(() => writer.kill('SIGKILL'));
        }
        if (what === 'saved') announced.add(id);
        // What was in the middle of being removed may be there or not.
        if (what === 'removing') going.add(id);
        if (what === 'removed') announced.delete(id);
      }
      await exited;
      const store = await open();
      assert.deepEqual(store.damaged(), []);
      const present = store.list().map((each) => each.id);
      for (const id of announced) assert.ok(present.includes(id) || going.has(id), id);
      const manifests: CapsuleManifest[] = [];
      for (const id of present) {
        const manifest = await store.manifest(id);
        await readAll(store, manifest);
        manifests.push(manifest);
      }
      assert.deepEqual(await blocksOnDisk(folder), neededBlocks(manifests));
      assert.ok(await isEmpty(join(folder, 'incoming')));
      announced.clear();
      going.clear();
      for (const id of present) announced.add(id);
    }
    assert.ok(announced.size > 0);
  });
});
