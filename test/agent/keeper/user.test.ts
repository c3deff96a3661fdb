import assert from 'node:assert/strict';
import { copyFile, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { limitCredentials } from '../../../agent/engines/criu/images.ts';
import type { KeeperClient } from '../../../agent/keeper/keeperClient.ts';
import type { AppEnd } from '../../../agent/keeper/keeperMessages.ts';
import { provisioned, requireProvisioned } from '../../support/provisioned.ts';
import { skip } from '../../support/skip.ts';
import { beats, counter, dump, holds, restore, type Criu } from './criuCycle.ts';
import { readTasks } from './lazySupport.ts';
import { buildKeeper, cannotDump, plainEnv, Screen, until } from './support.ts';
import { UserBench, type User } from './userSupport.ts';

describe('keeper: cells of an ordinary user', function () {
  this.timeout(60_000);
  const plain: User = { id: 65534, groups: [] };
  const grouped: User = { id: 65534, groups: [4, 24, 100] };
  let bench: UserBench;

  before(async function () {
    const reason = cannotDump();
    if (reason !== undefined) skip(this, reason);
    buildKeeper();
  });
  beforeEach(async () => {
    bench = await UserBench.create();
  });
  afterEach(() => bench.dispose());

  async function criuOf(user: User): Promise<Criu> {
    const images = join(await bench.folder(user), 'images');
    await mkdir(images);
    await bench.give(images, user);
    return { program: bench.criu, images, unprivileged: true };
  }

  async function counting(
    user: User,
    node: string,
  ): Promise<{ client: KeeperClient; pid: number; key: string; beat: string; screen: Screen }> {
    const ids = { uid: user.id, gid: user.id };
    const { client } = await bench.cell(user, { userNamespace: ids });
    const screen = await Screen.of(client);
    const work = await bench.folder(user);
    const beat = join(work, 'beat');
    const shown = `console.log('ids', process.getuid(), process.getgid(), fs.readFileSync('/proc/self/status', 'utf8').match(/CapPrm:.*|CapAmb:.*|CapInh:.*/g).join());`;
    const pid = await client.launch({
      argv: [node, '-e', counter(beat) + shown],
      env: plainEnv,
      cwd: work,
      columns: 80,
      rows: 24,
    });
    await screen.shows('n=3');
    return { client, pid, key: (await client.state()).terminalKey, beat, screen };
  }

  async function cycle(from: User, to: User, node: string): Promise<void> {
    const { client, pid, key, beat, screen } = await counting(from, node);
    assert.match(screen.text, /ids 65534 65534 CapInh:\s+0{16},CapPrm:\s+0{16},CapAmb:\s+0{16}/);
    const criu = await criuOf(from);
    const aborted = await dump(client, criu, pid, key);
    await holds(aborted, criu);
    await client.verdict(aborted.id, false);
    await aborted.done;
    await client.input(Buffer.from('still here\n'));
    await screen.shows('got[still here]');
    const job = await dump(client, criu, pid, key);
    await holds(job, criu);
    await client.pin(job.id);
    await client.verdict(job.id, true);
    await until(() => client.isClosed, 'the keeper has gone');

    // criu sets groups after post-restore, when the source is gone already, and hangs where it may not.
    if (from.groups.join() !== to.groups.join()) await limitCredentials(criu.images);
    await bench.give(dirname(criu.images), to);
    await bench.give(dirname(beat), to);
    const { client: target } = await bench.cell(to, {
      userNamespace: { uid: from.id, gid: from.id },
    });
    const arrived = await Screen.of(target);
    const back = await restore(target, criu, pid, key);
    await holds(back, criu);
    const before = await beats(beat);
    await sleep(150);
    assert.equal(await beats(beat), before);
    await target.verdict(back.id, true);
    assert.deepEqual(await back.done, { kind: 'code', code: 0 });
    await target.input(Buffer.from('there\n'));
    await arrived.shows('got[there]');
    await until(async () => (await beats(beat)) > before, 'the program goes on');

    // It can leave again.
    const second = await criuOf(to);
    const leaving = await dump(target, second, pid, (await target.state()).terminalKey);
    await holds(leaving, second);
    await target.verdict(leaving.id, false);
    await leaving.done;
    const ended = new Promise<AppEnd>((resolve) => target.onEnded(resolve));
    await target.input(Buffer.from('quit\n'));
    assert.deepEqual(await ended, { kind: 'code', code: 37 });
  }

  it('carries a program over', () => cycle(plain, plain, process.execPath));

  it('leaves memory out of a dump, but cannot restore without it', async () => {
    const { client, pid, key, screen } = await counting(plain, process.execPath);
    const criu = { ...(await criuOf(plain)), lazy: true };
    const job = await dump(client, criu, pid, key);
    await holds(job, criu);
    const [task] = await readTasks(criu.images);
    const left = task?.extents.reduce((sum, { pages }) => sum + pages, 0) ?? 0;
    assert.ok(left > 1000, 'most memory is left out');
    await client.verdict(job.id, false);
    await job.done;
    await client.input(Buffer.from('still here\n'));
    await screen.shows('got[still here]');
    assert.equal((await client.state()).canLazy, false);
    const { client: target } = await bench.cell(plain, {
      userNamespace: { uid: plain.id, gid: plain.id },
    });
    await assert.rejects(target.lazy(criu.images), { code: 'ENOTSUP' });
  });

  it('carries Node 24 over', async function () {
    requireProvisioned(this, 'node24');
    const node = join(bench.place, 'node24');
    await copyFile(provisioned.node24, node);
    await cycle(plain, plain, node);
  });

  it('carries a program of a user with supplementary groups over', () =>
    cycle(grouped, grouped, process.execPath));

  it('carries a program to another uid, where it keeps seeing its own', () =>
    cycle(plain, { id: 12345, groups: [] }, process.execPath));

  it('carries a program to a user in other groups, once its own are dropped', () =>
    cycle(grouped, { id: 12345, groups: [7] }, process.execPath));
});
