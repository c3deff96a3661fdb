import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LaunchOptions } from '../../../agent/keeper/keeperClient.ts';
import { skip } from '../../support/skip.ts';
import { counter, criuIn, dump, holds, restore } from './criuCycle.ts';
import { Bench, buildKeeper, cannotDump, plainEnv, Screen, until } from './support.ts';
import { UserBench, type User } from './userSupport.ts';

function app(cwd: string, ...argv: string[]): LaunchOptions {
  return { argv, env: plainEnv, cwd, columns: 80, rows: 24 };
}

/** Watches a folder, and says what it sees. */
const watcher = (folder: string): string => `
  require('fs').watch(${JSON.stringify(folder)}, (kind, name) => console.log('saw ' + name));
  console.log('watching');
  setInterval(() => {}, 1000);
`;

describe('keeper: a cell with a layer over the device', function () {
  this.timeout(60_000);
  let bench: Bench;
  before(function () {
    const reason = cannotDump();
    if (reason !== undefined) skip(this, reason);
    buildKeeper();
  });
  beforeEach(() => {
    bench = new Bench();
  });
  afterEach(() => bench.dispose());

  async function layer(
    mountPoint: string,
  ): Promise<{ mountPoint: string; upper: string; work: string }> {
    const folder = await bench.folder(0, 'flick, layer:-');
    const spec = { mountPoint, upper: join(folder, 'upper'), work: join(folder, 'work') };
    await mkdir(spec.upper);
    await mkdir(spec.work);
    return spec;
  }

  it('keeps what is written in the cell in the layer', async () => {
    const own = await bench.folder();
    await writeFile(join(own, 'old'), 'device\n');
    const spec = await layer('/');
    const { client, dir } = await bench.cell({ overlays: [spec] });
    const screen = await Screen.of(client);
    const script = `echo cell >> old; echo new > fresh; cat old; ls ${dir}/sock; cat /proc/1/comm; grep -c . /sys/kernel/uevent_seqnum; echo end; sleep 100`;
    await client.launch(app(own, 'sh', '-c', script));
    await screen.shows(/device\r\ncell\r\n\S+sock\r\nflick-keeper\r\n1\r\nend/);
    assert.equal(await readFile(join(own, 'old'), 'utf8'), 'device\n');
    assert.equal(existsSync(join(own, 'fresh')), false);
    assert.equal(await readFile(join(spec.upper, own, 'old'), 'utf8'), 'device\ncell\n');
    assert.equal(await readFile(join(spec.upper, own, 'fresh'), 'utf8'), 'new\n');
    const { overlay, exportable } = await client.state();
    assert.deepEqual([overlay, exportable], [true, true]);
  });

  it('shows bound files, and layers over single folders', async () => {
    const own = await bench.folder();
    await writeFile(join(own, 'old'), 'device\n');
    const other = await bench.folder();
    await writeFile(join(other, 'library'), 'brought along\n');
    const { client } = await bench.cell({
      overlays: [await layer(own)],
      binds: [{ source: join(other, 'library'), target: join(own, 'lib/old') }],
    });
    const screen = await Screen.of(client);
    await client.launch(app(own, 'sh', '-c', 'cat lib/old; rm old; ls; echo end; sleep 100'));
    await screen.shows('brought along\r\nlib\r\nend');
    assert.equal(await readFile(join(own, 'old'), 'utf8'), 'device\n');
    assert.equal(existsSync(join(own, 'lib')), false);
  });

  it('moves a program that watches files', async () => {
    const own = await bench.folder();
    const work = await bench.folder();
    const spec = await layer('/');
    const first = await bench.cell({ overlays: [spec] });
    const screen = await Screen.of(first.client);
    const pid = await first.client.launch(app(own, process.execPath, '-e', watcher(own)));
    await screen.shows('watching');
    const { terminalKey } = await first.client.state();
    const criu = await criuIn(first.dir);
    const job = await dump(first.client, criu, pid, terminalKey);
    await holds(job, criu);
    await first.client.verdict(job.id, true);
    await until(() => first.client.isClosed, 'the keeper has gone');

    await rm(spec.work, { recursive: true });
    await mkdir(spec.work);
    const second = await bench.cell({
      overlays: [spec],
      binds: [{ source: first.dir, target: work }],
    });
    const arrived = await Screen.of(second.client);
    const there = { ...criu, images: join(work, 'images') };
    const back = await restore(second.client, there, pid, terminalKey);
    await holds(back, criu);
    await second.client.verdict(back.id, true);
    const touch = { kind: 'plain', argv: ['touch', join(own, 'seen')], env: plainEnv } as const;
    await second.client.exec(touch);
    await arrived.shows('saw seen');
    assert.equal(existsSync(join(own, 'seen')), false);
  });
});

describe('keeper: a layer of an ordinary user', function () {
  this.timeout(60_000);
  const user: User = { id: 65534, groups: [4] };
  let bench: UserBench;
  before(function () {
    const reason = cannotDump();
    if (reason !== undefined) skip(this, reason);
    buildKeeper();
  });
  beforeEach(async () => {
    bench = await UserBench.create();
  });
  afterEach(() => bench.dispose());

  it('keeps what is written in the cell in the layer, and moves', async () => {
    const own = await bench.folder(user);
    await writeFile(join(own, 'old'), 'device\n');
    await bench.give(own, user);
    const folder = await bench.folder(user);
    const spec = { mountPoint: '/', upper: join(folder, 'upper'), work: join(folder, 'work') };
    // The folders above what the program writes are made beforehand: see the keeper's README.
    await mkdir(join(spec.upper, own), { recursive: true });
    await mkdir(join(spec.upper, 'brought/along'), { recursive: true });
    await writeFile(join(spec.upper, 'brought/along/file'), 'carried\n');
    await mkdir(spec.work);
    await bench.give(folder, user);
    const ids = { uid: user.id, gid: user.id };
    const { dir, client } = await bench.cell(user, { overlays: [spec], userNamespace: ids });
    const screen = await Screen.of(client);
    const script = `
      const child = require('child_process');
      const run = (command) => child.execSync(command + ' 2>&1 || true').toString();
      console.log(run('cat /brought/along/file; echo cell >> old; echo new > fresh; cat old; echo x > /tmp/flick-x; cat /tmp/flick-x; id -u; ls /bin/sh; cat /etc/hostname > /dev/null && echo etc; head -c0 /dev/urandom && echo dev'));
      ${counter(join(own, 'beat'))}
    `;
    const pid = await client.launch(app(own, process.execPath, '-e', script));
    await screen.shows(/carried\s+device\s+cell\s+x\s+65534\s+\/bin\/sh\s+etc\s+dev/);
    assert.equal(await readFile(join(own, 'old'), 'utf8'), 'device\n');
    assert.equal(await readFile(join(spec.upper, own, 'old'), 'utf8'), 'device\ncell\n');
    assert.equal(existsSync('/tmp/flick-x'), false);
    assert.equal(await readFile(join(spec.upper, 'tmp/flick-x'), 'utf8'), 'x\n');

    const criu = { program: bench.criu, images: join(dir, 'images'), unprivileged: true };
    await mkdir(criu.images);
    await bench.give(criu.images, user);
    const { terminalKey } = await client.state();
    const job = await dump(client, criu, pid, terminalKey);
    await holds(job, criu);
    await client.verdict(job.id, true);
    await until(() => client.isClosed, 'the keeper has gone');

    const second = await bench.cell(user, { overlays: [spec], userNamespace: ids });
    const there = { ...criu, images: join(second.dir, 'images') };
    await cp(criu.images, there.images, { recursive: true });
    await bench.give(there.images, user);
    const arrived = await Screen.of(second.client);
    const back = await restore(second.client, there, pid, terminalKey);
    await holds(back, there);
    await second.client.verdict(back.id, true);
    await second.client.input(Buffer.from('there\n'));
    await arrived.shows('got[there]');
    assert.equal(existsSync(join(own, 'beat')), false);
  });
});
