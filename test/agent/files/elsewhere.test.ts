import assert from 'node:assert/strict';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { findElsewhere } from '../../../agent/files/elsewhere.ts';
import type { FileEntry } from '../../../agent/files/manifest.ts';
import { temporaryFolder } from '../../support/temporary.ts';
import { fileOf, put } from './support.ts';

describe('files that a device has elsewhere', () => {
  const content = Buffer.from('the same program');
  let folder: ReturnType<typeof temporaryFolder>;
  let roots: string[];

  before(async () => {
    folder = temporaryFolder();
    roots = [join(folder.path, 'one'), join(folder.path, 'two'), join(folder.path, 'none')];
    await put(join(folder.path, 'one', 'bin', 'node'), content);
    await put(join(folder.path, 'one', 'bin', 'nodes'), content);
    await put(join(folder.path, 'one', 'other', 'node'), Buffer.from('of another size'));
    await put(join(folder.path, 'two', 'a b\n', 'c', 'node'), content);
    await put(join(folder.path, 'outside', 'node'), content);
    await mkdir(join(folder.path, 'one', 'links'));
    await symlink(join(folder.path, 'outside'), join(folder.path, 'one', 'links', 'folder'));
    await symlink(join(folder.path, 'outside', 'node'), join(folder.path, 'one', 'links', 'node'));
    await symlink('/', join(folder.path, 'two', 'loop'));
  });

  after(() => folder.remove());

  it('are those of the same name and size, links not followed', async () => {
    const entry: FileEntry = fileOf('/opt/node/bin/node', content);
    const found = await findElsewhere([entry], { roots });
    assert.deepEqual(
      [...(found.get(entry.path) ?? [])].sort(),
      [join(roots[0] ?? '', 'bin', 'node'), join(roots[1] ?? '', 'a b\n', 'c', 'node')].sort(),
    );
  });

  it('are not the file at its own place, and none where nothing is like it', async () => {
    const own = fileOf(join(roots[0] ?? '', 'bin', 'node'), content);
    assert.deepEqual(await findElsewhere([own], { roots: roots.slice(0, 1) }), new Map());
    assert.deepEqual(await findElsewhere([], { roots }), new Map());
  });

  it('are not looked for once the move is cancelled', async () => {
    const entry = fileOf('/opt/node/bin/node', content);
    assert.deepEqual(
      await findElsewhere([entry], { roots, signal: AbortSignal.abort() }),
      new Map(),
    );
  });
});
