import assert from 'node:assert/strict';
import { chown, mkdir, open, readlink, stat, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { collectEntries } from '../../../agent/files/collect.ts';
import {
  type AwayRecord,
  type HomecomingPlan,
  keptName,
  planHomecoming,
  recordDeparture,
} from '../../../agent/files/homecoming.ts';
import { recoverHomecoming } from '../../../agent/files/homecomingJournal.ts';
import { Homecoming } from '../../../agent/files/homecomingRun.ts';
import { HomeLayer, planHomeLayer } from '../../../agent/files/homeLayer.ts';
import type { Entry } from '../../../agent/files/manifest.ts';
import type { FileSink } from '../../../agent/files/transfer.ts';
import { fileOf, folderOf, isRoot, listing, put, scratch } from './support.ts';

const now = new Date(2026, 0, 2, 3, 4, 5);
const kept = 'both.txt.flick-the-car-20260102-030405';

describe('coming home', () => {
  let root = '';
  let home = '';
  let journal = '';
  let discard = async (): Promise<void> => undefined;
  let away: AwayRecord;
  beforeEach(async () => {
    ({ root, discard } = await scratch());
    home = join(root, 'home');
    journal = join(root, 'journal.json');
    await put(join(home, 'app/same'), 'same');
    await put(join(home, 'app/log'), 'before', 0o640);
    await put(join(home, 'app/both.txt'), 'before');
    await put(join(home, 'app/mine'), 'before');
    await put(join(home, 'app/doomed'), 'before');
    await put(join(home, 'app/lost'), 'before');
    await symlink('same', join(home, 'app/link'));
    await put(join(home, 'etc/config'), 'of the device');
    await mkdir(join(home, 'tmp'), { mode: 0o1777 });
    const wanted = { mapped: [], open: [], carry: ['/app'], cwds: [] };
    away = recordDeparture((await collectEntries(home, wanted)).entries, ['/app']);
    // Meanwhile, at home:
    await put(join(home, 'app/both.txt'), 'changed at home');
    await put(join(home, 'app/mine'), 'changed at home');
    await unlink(join(home, 'app/lost'));
  });
  afterEach(() => discard());

  const contents: Record<string, string> = {
    '/app/log': 'after, longer',
    '/app/both.txt': 'changed away',
    '/app/made/deep/x': 'made',
    '/etc/config': 'of the other device',
    '/lib/extra.so': 'library',
    '/tmp/scratch': 'scratch',
  };
  const arriving = (): Entry[] => [
    folderOf('/app'),
    fileOf('/app/both.txt', 'changed away', { role: 'open' }),
    { kind: 'deleted', path: '/app/doomed', role: 'carried' },
    { ...folderOf('/app/link'), kind: 'symlink', target: 'log' },
    fileOf('/app/log', 'after, longer', { mode: 0o640, role: 'open' }),
    fileOf('/app/lost', 'before'),
    folderOf('/app/made', 0o750),
    folderOf('/app/made/deep'),
    fileOf('/app/made/deep/x', 'made'),
    fileOf('/app/mine', 'before'),
    fileOf('/app/same', 'same'),
    { kind: 'deleted', path: '/etc/hosts', role: 'new' },
    fileOf('/etc/config', 'of the other device', { role: 'open' }),
    fileOf('/lib/extra.so', 'library', { role: 'mapped' }),
    fileOf('/tmp/scratch', 'scratch', { role: 'open' }),
  ];
  const plan = (entries = arriving()): Promise<HomecomingPlan> =>
    planHomecoming(entries, away, { base: home, from: 'the car', now });
  const deliver = async (sink: FileSink, { incoming }: HomecomingPlan): Promise<void> => {
    for (const entry of incoming) {
      const file = await sink.create(entry);
      await file.write(Buffer.from(contents[entry.path] ?? ''), 0);
      await file.accept();
    }
  };
  const layer = async (planned: HomecomingPlan): Promise<HomeLayer> =>
    HomeLayer.open(await planHomeLayer(planned, away, join(root, 'layer'), home), home);

  it('decides about every entry and says what a person must know', async () => {
    const { steps, binds, remarks, incoming } = await plan();
    assert.deepEqual(
      steps.map((step) => [step.entry.path, step.verdict]),
      [
        ['/app', 'unchanged'],
        ['/app/both.txt', 'conflict'],
        ['/app/doomed', 'delete'],
        ['/app/link', 'writeBack'],
        ['/app/log', 'writeBack'],
        ['/app/lost', 'unchanged'],
        ['/app/made', 'create'],
        ['/app/made/deep', 'create'],
        ['/app/made/deep/x', 'create'],
        ['/app/mine', 'unchanged'],
        ['/app/same', 'unchanged'],
        ['/etc/config', 'notAllowed'],
        ['/etc/hosts', 'unchanged'],
        ['/lib/extra.so', 'notAllowed'],
        ['/tmp/scratch', 'create'],
      ],
    );
    assert.deepEqual(binds, [{ source: `/app/${kept}`, path: '/app/both.txt' }]);
    assert.equal(incoming.length, 6);
    assert.deepEqual(remarks, [
      `/app/both.txt has changed here and on the car. Yours stays; the process goes on with its own, kept as /app/${kept}.`,
      '/etc/config was written on the car but never left from here: the change stays inside the process.',
      '/lib/extra.so was written on the car but never left from here: the change stays inside the process.',
    ]);
  });

  it('shows nothing before it is placed, all of it after, and keeps it with the commit', async () => {
    const before = await listing(home);
    const planned = await plan();
    const inLayer = await layer(planned);
    const coming = await Homecoming.prepare(planned, {
      journal,
      id: 'h1',
      base: home,
      layer: inLayer,
    });
    await deliver(coming, planned);
    await inLayer.seal();
    await inLayer.close();
    const visible = (files: Record<string, string>): Record<string, string> =>
      Object.fromEntries(Object.entries(files).filter(([path]) => !path.includes('.flick-h1')));
    assert.deepEqual(visible(await listing(home)), before);
    await coming.place();
    const placed = visible(await listing(home));
    const inode = (await stat(join(home, 'app/log'))).ino;
    await coming.commit();
    assert.deepEqual(await listing(home), placed);
    assert.deepEqual(placed, {
      '/app': '/',
      '/app/both.txt': 'changed at home',
      [`/app/${kept}`]: 'changed away',
      '/app/link': '?',
      '/app/log': 'after, longer',
      '/app/made': '/',
      '/app/made/deep': '/',
      '/app/made/deep/x': 'made',
      '/app/mine': 'changed at home',
      '/app/same': 'same',
      '/etc': '/',
      '/etc/config': 'of the device',
      '/tmp': '/',
      '/tmp/scratch': 'scratch',
    });
    const log = await stat(join(home, 'app/log'));
    assert.deepEqual([log.ino, log.mode & 0o777, log.nlink], [inode, 0o640, 1]);
    assert.equal((await stat(join(home, 'app/made'))).mode & 0o777, 0o750);
    assert.equal(await readlink(join(home, 'app/link')), 'log');
    await assert.rejects(stat(journal), { code: 'ENOENT' });
  });

  for (const how of ['abort', 'crash'] as const) {
    it(`puts everything back, inodes included (${how})`, async () => {
      const before = await listing(home);
      const own = await open(join(home, 'app/log'), 'r');
      const planned = await plan();
      const inLayer = await layer(planned);
      const target = { journal, id: 'h2', base: home, layer: inLayer };
      const coming = await Homecoming.prepare(planned, target);
      await deliver(coming, planned);
      await coming.place();
      assert.equal((await listing(home))['/app/log'], 'after, longer');
      if (how === 'abort') await coming.abort();
      else await recoverHomecoming(journal, 'abort');
      await inLayer.close();
      assert.deepEqual(await listing(home), before);
      assert.equal((await stat(join(home, 'app/log'))).ino, (await own.stat()).ino);
      await own.close();
      await recoverHomecoming(journal, 'abort');
      await coming.abort();
    });
  }

  it('undoes a placing that broke in the middle, wherever that was', async () => {
    const before = await listing(home);
    const planned = await plan(arriving().filter((each) => !/config|extra/.test(each.path)));
    for (const breaks of ['/app/made', '/app/log', '/tmp/scratch', '/app/both.txt']) {
      const coming = await Homecoming.prepare(planned, { journal, id: 'h3', base: home });
      await deliver(coming, planned);
      // Something appears or changes at home between the check and the placing.
      const path = join(home, breaks === '/app/both.txt' ? `/app/${kept}` : breaks);
      const own = await stat(path).catch(() => undefined);
      await writeFile(path, 'just now');
      await assert.rejects(coming.place(), { reason: 'transferFailed' });
      await coming.abort();
      assert.equal((await listing(home))[path.slice(home.length)], 'just now', breaks);
      if (own === undefined) await unlink(path);
      else return;
      assert.deepEqual(await listing(home), before, breaks);
    }
  });

  it('finishes a commit that a crash interrupted', async () => {
    const planned = await plan([fileOf('/app/log', 'after, longer', { mode: 0o640 })]);
    const coming = await Homecoming.prepare(planned, { journal, id: 'h4', base: home });
    await deliver(coming, planned);
    await coming.place();
    await recoverHomecoming(journal, 'commit');
    const files = await listing(home);
    assert.equal(files['/app/log'], 'after, longer');
    assert.ok(!Object.keys(files).some((path) => path.includes('.flick-')));
    await coming.commit().catch(() => undefined);
  });

  it('never follows a link that stands at home, nor one that arrives', async () => {
    const outside = join(root, 'outside');
    await mkdir(outside);
    await symlink(outside, join(home, 'app/out'));
    await symlink(outside, join(home, 'tmp/out'));
    const { steps } = await plan([
      fileOf('/app/out/pwned', 'x'),
      fileOf('/tmp/out/pwned', 'x'),
      { ...folderOf('/app/arrives'), kind: 'symlink', target: outside },
      fileOf('/app/arrives/pwned', 'x'),
    ]);
    assert.deepEqual(
      steps.map((step) => step.verdict),
      ['create', 'create', 'notAllowed', 'notAllowed'],
    );
    const planned = { steps, binds: [], remarks: [], incoming: [] };
    const coming = await Homecoming.prepare(planned, { journal, id: 'h5', base: home });
    const file = await coming.create(fileOf('/app/arrives/pwned', 'x'));
    await file.accept().catch(() => undefined);
    await assert.rejects(coming.place());
    await coming.abort();
    assert.deepEqual(await listing(outside), {});
  });

  it('trusts no directory that somebody else made in a shared one', async function () {
    if (!isRoot) this.skip();
    await mkdir(join(home, 'tmp/theirs'));
    await chown(join(home, 'tmp/theirs'), 65_534, 65_534);
    const { steps } = await plan([fileOf('/tmp/theirs/x', 'x')]);
    assert.equal(steps[0]?.verdict, 'notAllowed');
  });

  it('keeps what home never sent in a layer, with the real files bound back', async () => {
    const planned = await plan();
    const layered = await planHomeLayer(planned, away, '/L', home);
    assert.deepEqual(layered.layer.overlays, [
      { mountPoint: '/', upper: '/L/home-0/upper', work: '/L/home-0/work' },
    ]);
    assert.deepEqual(layered.binds, [
      { source: '/app', path: '/app' },
      { source: '/L/kept/0', path: '/etc/config' },
    ]);
  });

  it('cuts long names where a character ends', () => {
    const name = keptName('ü'.repeat(127), 'a b/c', now);
    assert.ok(Buffer.byteLength(name) <= 255 && /^ü+\.flick-a-b-c-20260102-030405$/.test(name));
  });
});
