import assert from 'node:assert/strict';
import { chmod, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { collectEntries } from '../../../agent/files/collect.ts';
import { lacking } from '../../../agent/files/compare.ts';
import { manifest } from '../../../agent/files/manifest.ts';
import { LinkInPath, Tree } from '../../../agent/files/tree.ts';
import { put, run, scratch, sha } from './support.ts';

const nothing = { mapped: [], open: [], carry: [], cwds: [] };

describe('collecting the files of a process', () => {
  let root = '';
  let discard = async (): Promise<void> => undefined;
  beforeEach(async () => ({ root, discard } = await scratch()));
  afterEach(() => discard());

  it('describes a tree with odd names, parents included, special files reported', async () => {
    await put(join(root, 'srv/app/a b\nc.txt'), 'one', 0o640);
    await put(join(root, 'srv/app/sub/run.sh'), 'two', 0o755);
    await symlink('/etc/passwd', join(root, 'srv/app/link'));
    await run('mkfifo', [join(root, 'srv/app/pipe')]);
    await run('touch', [Buffer.from(join(root, 'srv/app/')).toString() + 'plain']);
    const { entries, skipped } = await collectEntries(root, { ...nothing, carry: ['/srv/app'] });
    assert.deepEqual(
      entries.map((each) => [each.kind, each.path]),
      [
        ['directory', '/srv'],
        ['directory', '/srv/app'],
        ['file', '/srv/app/a b\nc.txt'],
        ['symlink', '/srv/app/link'],
        ['file', '/srv/app/plain'],
        ['directory', '/srv/app/sub'],
        ['file', '/srv/app/sub/run.sh'],
      ],
    );
    assert.deepEqual(skipped, [{ path: '/srv/app/pipe', why: 'is a named pipe' }]);
    assert.ok(v.is(manifest, entries));
    const odd = entries[2];
    assert.ok(odd?.kind === 'file');
    assert.deepEqual([odd.mode, odd.size, odd.sha256], [0o640, 3, sha('one')]);
  });

  it('resolves links inside the view only', async () => {
    await put(join(root, 'etc/passwd'), 'of the cell');
    await symlink('/etc', join(root, 'absolute'));
    await symlink('../../../../../etc', join(root, 'relative'));
    await symlink('loop', join(root, 'loop'));
    const wanted = { ...nothing, open: ['/absolute/passwd', '/relative/passwd', '/loop/x'] };
    const { entries, skipped } = await collectEntries(root, wanted);
    assert.deepEqual(
      entries.map((each) => [each.kind, each.path, each.kind === 'file' ? each.sha256 : '']),
      [
        ['symlink', '/absolute', ''],
        ['directory', '/etc', ''],
        ['file', '/etc/passwd', sha('of the cell')],
        ['symlink', '/relative', ''],
      ],
    );
    assert.deepEqual(skipped, [
      { path: '/loop/x', why: 'is reached through a link that leads elsewhere' },
    ]);
    const tree = await Tree.open(root);
    await assert.rejects(tree.openFile('/absolute/passwd'), LinkInPath);
    await assert.rejects(tree.status('/absolute/passwd'), LinkInPath);
    await tree.close();
  });

  it('keeps the strongest role, skips what belongs to the device, and stops at the limit', async () => {
    await put(join(root, 'd/x'), '1');
    await put(join(root, 'proc/self'), '1');
    const wanted = { mapped: ['/d/x'], open: ['/d/x', '/proc/self'], carry: ['/d'], cwds: ['/d'] };
    const { entries, skipped } = await collectEntries(root, wanted);
    assert.deepEqual(
      entries.map((each) => [each.path, each.role]),
      [
        ['/d', 'cwd'],
        ['/d/x', 'mapped'],
      ],
    );
    assert.deepEqual(skipped, [{ path: '/proc/self', why: 'belongs to the device' }]);
    await assert.rejects(collectEntries(root, wanted, { limit: 1 }), { reason: 'refused' });
  });

  it('says what a device lacks: absent, other content, other mode, other link', async () => {
    const [here, there] = [join(root, 'here'), join(root, 'there')];
    for (const side of [here, there]) {
      await put(join(side, 'd/same'), 'same');
      await put(join(side, 'd/mode'), 'same', side === here ? 0o644 : 0o600);
      await put(join(side, 'd/content'), side === here ? 'abc' : 'abd');
      await symlink(side === here ? 'same' : 'mode', join(side, 'd/link'));
    }
    await put(join(here, 'd/absent'), 'absent');
    await mkdir(join(here, 'd/folder'));
    const { entries } = await collectEntries(here, { ...nothing, carry: ['/d'] });
    const { needed, bytes } = await lacking(entries, there);
    assert.deepEqual(needed, ['/d/absent', '/d/content', '/d/folder', '/d/link', '/d/mode']);
    assert.equal(bytes, 'absent'.length + 'abc'.length + 'same'.length);
  });

  it('compares the mode of directories that the process works in, and of no others', async () => {
    const [here, there] = [join(root, 'worked'), join(root, 'otherwise')];
    for (const side of [here, there]) {
      await mkdir(join(side, 'd'), { recursive: true });
      await chmod(join(side, 'd'), side === here ? 0o700 : 0o755);
    }
    const needed = async (wanted: {
      open?: string[];
      carry?: string[];
      cwds?: string[];
    }): Promise<string[]> => {
      const { entries } = await collectEntries(here, { ...nothing, ...wanted });
      return (await lacking(entries, there)).needed;
    };
    assert.deepEqual(await needed({ cwds: ['/d'] }), ['/d']);
    assert.deepEqual(await needed({ open: ['/d'] }), ['/d']);
    assert.deepEqual(await needed({ carry: ['/d'] }), []);
  });
});
