import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KeeperClient, KeeperJob, LaunchOptions } from '../../../agent/keeper/keeperClient.ts';
import type { AppEnd } from '../../../agent/keeper/keeperMessages.ts';
import { readAppEndRecord, readScrollbackRecord } from '../../../agent/keeper/keeperRecords.ts';
import { startGuard } from '../../../agent/keeper/startKeeper.ts';
import { skip } from '../../support/skip.ts';
import { beats, counter, criuIn, dump, holds, restore, type Criu } from './criuCycle.ts';
import {
  Bench,
  buildKeeper,
  cannotDump,
  keeperBinary,
  plainEnv,
  run,
  Screen,
  until,
} from './support.ts';

function app(...argv: string[]): LaunchOptions {
  return { argv, env: plainEnv, cwd: '/', columns: 80, rows: 24 };
}

/** True when nothing counts into the file for a while. */
async function stands(beat: string): Promise<boolean> {
  const before = await beats(beat);
  await sleep(200);
  return (await beats(beat)) === before;
}

async function goesOn(beat: string): Promise<void> {
  const before = await beats(beat);
  await until(async () => (await beats(beat)) > before, 'the program goes on');
}

describe('keeper: dump and restore, held', function () {
  this.timeout(60_000);
  let bench: Bench;
  let work: string;
  let beat: string;
  let criu: Criu;

  before(function () {
    const reason = cannotDump();
    if (reason !== undefined) skip(this, reason);
    buildKeeper();
  });
  beforeEach(async () => {
    bench = new Bench();
    work = await bench.folder();
    beat = join(work, 'beat');
    criu = await criuIn(work);
  });
  afterEach(() => bench.dispose());

  async function counting(): Promise<{
    dir: string;
    client: KeeperClient;
    pid: number;
    key: string;
  }> {
    const { dir, client } = await bench.cell();
    const pid = await client.launch(app(process.execPath, '-e', counter(beat)));
    await until(async () => (await beats(beat)) > 3, 'the program counts');
    return { dir, client, pid, key: (await client.state()).terminalKey };
  }

  /** The counter, dumped and gone from its cell. */
  async function departed(): Promise<{ dir: string; pid: number; key: string }> {
    const { dir, client, pid, key } = await counting();
    const job = await dump(client, criu, pid, key);
    await holds(job, criu);
    await client.verdict(job.id, true);
    assert.deepEqual(await job.done, { kind: 'code', code: 0 });
    await until(() => client.isClosed, 'the keeper has gone');
    return { dir, pid, key };
  }

  it('carries a program over, held until the verdict on both sides', async () => {
    const { dir, client, pid, key } = await counting();
    const ends: AppEnd[] = [];
    client.onEnded((end) => ends.push(end));
    const aborted = await dump(client, criu, pid, key);
    await holds(aborted, criu);
    assert.ok(await stands(beat), 'a held dump stands still');
    await client.verdict(aborted.id, false);
    assert.notDeepEqual(await aborted.done, { kind: 'code', code: 0 });
    await goesOn(beat);

    const job = await dump(client, criu, pid, key);
    await holds(job, criu);
    await client.pin(job.id);
    await client.verdict(job.id, true);
    await until(() => client.isClosed, 'the keeper has gone');
    assert.deepEqual(ends, [{ kind: 'departed' }]);
    assert.deepEqual(await readAppEndRecord(dir), { kind: 'departed' });
    const kept = await readScrollbackRecord(dir);
    assert.ok(kept);

    const { client: target } = await bench.cell();
    await target.preload(kept.start, kept.data);
    const screen = await Screen.of(target);
    const back = await restore(target, criu, pid, key);
    await holds(back, criu);
    assert.ok(await stands(beat), 'a held restore stands still');
    assert.equal((await target.state()).app, 'restoring');
    await target.verdict(back.id, true);
    assert.deepEqual(await back.done, { kind: 'code', code: 0 });
    await goesOn(beat);
    await screen.shows(/^n=1 n=2 /);
    await target.resize(90, 40);
    await screen.shows('size 90x40');
    const ended = new Promise<AppEnd>((resolve) => target.onEnded(resolve));
    await target.input(Buffer.from('quit\n'));
    assert.deepEqual(await ended, { kind: 'code', code: 37 });
    const counts = (await readFile(beat, 'utf8')).trim().split('\n').map(Number);
    assert.deepEqual(
      counts,
      counts.map((_, index) => index + 1),
    );
  });

  it('goes a second hop', async () => {
    const { pid, key } = await departed();
    const { client } = await bench.cell();
    const there = await restore(client, criu, pid, key);
    await holds(there, criu);
    await client.verdict(there.id, true);
    await there.done;
    const { terminalKey } = await client.state();
    const again = await criuIn(join(work, 'second'));
    const job = await dump(client, again, pid, terminalKey);
    await holds(job, again);
    await client.verdict(job.id, true);
    await until(() => client.isClosed, 'the keeper has gone');
    const { client: last } = await bench.cell();
    const back = await restore(last, again, pid, terminalKey);
    await holds(back, again);
    await last.verdict(back.id, true);
    await back.done;
    await goesOn(beat);
    const ended = new Promise<AppEnd>((resolve) => last.onEnded(resolve));
    await last.input(Buffer.from('\x03'));
    assert.deepEqual(await ended, { kind: 'signal', signal: 2 });
  });

  it('lets the program run on when the client of a held dump is gone', async () => {
    const { dir, client, pid, key } = await counting();
    const other = await bench.connect(dir);
    const job = await dump(other, criu, pid, key);
    await holds(job, criu);
    other.dispose();
    await goesOn(beat);
    assert.equal((await client.state()).app, 'running');
  });

  it('keeps a pinned hold for a later client', async () => {
    const { dir, client, pid, key } = await counting();
    const other = await bench.connect(dir);
    const job = await dump(other, criu, pid, key);
    await holds(job, criu);
    await other.pin(job.id);
    other.dispose();
    assert.ok(await stands(beat));
    const [held] = (await client.state()).jobs;
    assert.deepEqual([held?.phase, held?.pinned], ['held', true]);
    const claimed = await client.claim(job.id);
    assert.ok(await claimed.held);
    await client.verdict(job.id, false);
    assert.notDeepEqual(await claimed.done, { kind: 'code', code: 0 });
    await goesOn(beat);
  });

  /** A program that was pinned, and whose criu was killed then. */
  async function bereft(): Promise<Awaited<ReturnType<typeof counting>> & { job: KeeperJob }> {
    const counted = await counting();
    const { client, pid, key } = counted;
    const job = await dump(client, criu, pid, key);
    await holds(job, criu);
    await client.pin(job.id);
    const kill = ['kill', '-KILL', String(job.pid)];
    await (
      await client.exec({ kind: 'plain', argv: kill, env: plainEnv })
    ).done;
    assert.ok(await stands(beat));
    const [held] = (await client.state()).jobs;
    assert.deepEqual([held?.phase, held?.pinned], ['held', true]);
    return { ...counted, job };
  }

  it('does not let a released program run on when its criu is killed', async () => {
    const { dir, client, job } = await bereft();
    const before = await beats(beat);
    await client.verdict(job.id, true);
    await until(() => client.isClosed, 'the keeper has gone');
    assert.equal(await beats(beat), before);
    assert.deepEqual(await readAppEndRecord(dir), { kind: 'departed' });
  });

  it('lets a program whose criu was killed run on when it is taken back', async () => {
    const { dir, client, job } = await bereft();
    const later = await bench.connect(dir);
    client.dispose();
    const claimed = await later.claim(job.id);
    assert.ok(await claimed.held);
    await later.verdict(job.id, false);
    assert.deepEqual(await claimed.done, { kind: 'signal', signal: 9 });
    await goesOn(beat);
    assert.equal((await later.state()).app, 'running');
  });

  it('leaves nothing behind when a restore is aborted, and can try again', async () => {
    const { pid, key } = await departed();
    const { dir, client } = await bench.cell();
    const aborted = await restore(client, criu, pid, key);
    await holds(aborted, criu);
    await client.verdict(aborted.id, false);
    assert.notDeepEqual(await aborted.done, { kind: 'code', code: 0 });
    assert.ok(await stands(beat));
    assert.deepEqual((await client.state()).app, 'none');
    const killed = await restore(client, criu, pid, key);
    await holds(killed, criu);
    await client.exec({
      kind: 'plain',
      argv: ['kill', '-KILL', String(killed.pid)],
      env: plainEnv,
    });
    assert.deepEqual(await killed.done, { kind: 'signal', signal: 9 });
    assert.ok(await stands(beat));
    const again = await restore(client, criu, pid, key);
    await holds(again, criu);
    await client.verdict(again.id, true);
    await again.done;
    await goesOn(beat);
    assert.equal(existsSync(join(dir, 'exit')), false);
  });

  it('ends an empty cell whose client went away', async () => {
    const { pid, key } = await departed();
    const { dir, client } = await bench.cell();
    const job = await restore(client, criu, pid, key);
    await holds(job, criu);
    client.dispose();
    await until(() => !existsSync(join(dir, 'sock')), 'the keeper has gone');
    assert.ok(await stands(beat));
  });

  it('carries a pipeline with its shell', async () => {
    const { client } = await bench.cell();
    const script = `while :; do echo x; sleep 0.03; done | cat | while read x; do n=$((n+1)); echo $n >> ${beat}; done`;
    const pid = await client.launch(app('bash', '-c', script));
    await until(async () => (await beats(beat)) > 3, 'the program counts');
    const { terminalKey } = await client.state();
    const job = await dump(client, criu, pid, terminalKey);
    await holds(job, criu);
    await client.verdict(job.id, true);
    await until(() => client.isClosed, 'the keeper has gone');
    assert.ok(await stands(beat));
    const { client: target } = await bench.cell();
    const back = await restore(target, criu, pid, terminalKey);
    await holds(back, criu);
    await target.verdict(back.id, true);
    await back.done;
    await goesOn(beat);
    const counts = (await readFile(beat, 'utf8')).trim().split('\n').map(Number);
    assert.deepEqual(
      counts,
      counts.map((_, index) => index + 1),
    );
  });

  it('adopts a daemon through a guard', async () => {
    const daemon = spawn(process.execPath, ['-e', counter(beat)], {
      detached: true,
      stdio: 'ignore',
    });
    const pid = daemon.pid ?? 0;
    await until(async () => (await beats(beat)) > 3, 'the program counts');
    const guardDir = await bench.folder();
    bench.adopt(await startGuard({ keeper: keeperBinary, dir: guardDir }));
    const guard = await bench.connect(guardDir);
    const aborted = await dump(guard, criu, pid);
    await holds(aborted, criu);
    await guard.verdict(aborted.id, false);
    await aborted.done;
    await goesOn(beat);
    const job = await dump(guard, criu, pid);
    await holds(job, criu);
    await guard.pin(job.id);
    await guard.verdict(job.id, true);
    assert.deepEqual(await job.done, { kind: 'code', code: 0 });
    assert.ok(await stands(beat));
    const { client } = await bench.cell();
    const back = await restore(client, criu, pid);
    await holds(back, criu);
    await client.verdict(back.id, true);
    await back.done;
    await goesOn(beat);
    assert.equal((await client.state()).appPid, pid);
    const ended = new Promise<AppEnd>((resolve) => client.onEnded(resolve));
    await client.signal(15);
    assert.deepEqual(await ended, { kind: 'signal', signal: 15 });
  });

  it('does not let a released daemon run on when its criu is killed', async () => {
    const daemon = spawn(process.execPath, ['-e', counter(beat)], {
      detached: true,
      stdio: 'ignore',
    });
    const gone = new Promise((resolve) => daemon.on('exit', (_, signal) => resolve(signal)));
    await until(async () => (await beats(beat)) > 3, 'the program counts');
    const guardDir = await bench.folder();
    bench.adopt(await startGuard({ keeper: keeperBinary, dir: guardDir }));
    const guard = await bench.connect(guardDir);
    const job = await dump(guard, criu, daemon.pid ?? 0);
    await holds(job, criu);
    await guard.pin(job.id);
    const before = await beats(beat);
    const kill = ['kill', '-KILL', String(job.pid)];
    await (
      await guard.exec({ kind: 'plain', argv: kill, env: plainEnv })
    ).done;
    assert.ok(await stands(beat));
    await guard.verdict(job.id, true);
    assert.deepEqual(await job.done, { kind: 'code', code: 0 });
    assert.equal(await gone, 'SIGKILL');
    assert.equal(await beats(beat), before);
  });

  it("adopts the foreground job of somebody else's terminal", async () => {
    const shell = spawn('script', ['-qfc', 'bash --norc -i', '/dev/null'], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const pidFile = join(work, 'pid');
    const code = `require('fs').writeFileSync(${JSON.stringify(pidFile)}, String(process.pid));${counter(beat)}`;
    const shellJob = { ...criu, shellJob: true };
    try {
      shell.stdin.write(
        `${process.execPath} -e '${code.replaceAll("'", '"').replaceAll('\n', ' ')}'\n`,
      );
      await until(async () => (await beats(beat)) > 3, 'the program counts');
      const pid = Number(await readFile(pidFile, 'utf8'));
      const tty = await readlink(`/proc/${String(pid)}/fd/0`);
      const terminalIndex = Number(tty.replace('/dev/pts/', ''));
      const guardDir = await bench.folder();
      bench.adopt(await startGuard({ keeper: keeperBinary, dir: guardDir }));
      const guard = await bench.connect(guardDir);
      const job = await dump(guard, shellJob, pid);
      await holds(job, criu);
      await guard.pin(job.id);
      await guard.verdict(job.id, true);
      assert.deepEqual(await job.done, { kind: 'code', code: 0 });

      const { client } = await bench.cell({ terminalIndex });
      const screen = await Screen.of(client);
      const back = await restore(client, shellJob, pid);
      await holds(back, criu);
      assert.ok(await stands(beat));
      await client.verdict(back.id, true);
      assert.deepEqual(await back.done, { kind: 'code', code: 0 });
      await goesOn(beat);
      await client.input(Buffer.from('hello\n'));
      await screen.shows('got[hello]');
      await client.resize(91, 41);
      await screen.shows('size 91x41');

      const again = { ...(await criuIn(join(work, 'second'))), shellJob: true };
      const second = await dump(client, again, pid);
      await holds(second, again);
      await client.verdict(second.id, true);
      await until(() => client.isClosed, 'the keeper has gone');
      const { client: last } = await bench.cell({ terminalIndex });
      const there = await restore(last, again, pid);
      await holds(there, again);
      await last.verdict(there.id, true);
      await there.done;
      await goesOn(beat);
      const ended = new Promise<AppEnd>((resolve) => last.onEnded(resolve));
      await last.input(Buffer.from('\x03'));
      assert.deepEqual(await ended, { kind: 'signal', signal: 2 });
    } finally {
      shell.kill('SIGKILL');
    }
  });

  it('runs other programs and tells how they ended', async () => {
    const { client } = await bench.cell();
    const output = join(work, 'out');
    const job = await client.exec({
      kind: 'plain',
      argv: ['sh', '-c', 'echo out; echo err >&2; exit 7'],
      env: plainEnv,
      outputPath: output,
    });
    assert.deepEqual(await job.done, { kind: 'code', code: 7 });
    assert.equal(await readFile(output, 'utf8'), 'out\nerr\n');
    const { out } = await run('stat', '-c', '%a', output);
    assert.equal(out.trim(), '600');
  });
});
