import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkDeparture } from '../../../../agent/engines/criu/departureCheck.ts';
import { explainFailure } from '../../../../agent/engines/criu/explain.ts';
import { criuFacts } from '../../../../agent/engines/criu/factsSchema.ts';
import * as v from 'valibot';
import { FlickError, type Finding } from '../../../../protocol/index.ts';
import { skip } from '../../../support/skip.ts';
import { eventually } from '../../../system/labFixture.ts';
import { dump, factsOf, findingsOf, hold, isRoot, python, start, whyNoDumps } from './holding.ts';

const blocking = (findings: readonly Finding[]): Finding[] =>
  findings.filter((each) => each.severity === 'blocks');

describe('what a process is connected to', function () {
  this.timeout(60_000);
  before(function () {
    if (python === undefined) skip(this, 'no python3 on this machine');
  });

  it('a unix socket of somebody else blocks, and says whose', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'flick-unix-'));
    const server = createServer();
    await listen(server, join(folder, 'bus'));
    const held = await hold('s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])', [
      join(folder, 'bus'),
    ]);
    try {
      const [found, ...rest] = blocking(await findingsOf(held.pid));
      assert.deepEqual(rest, []);
      assert.equal(found?.cause, 'unixSocket');
      assert.match(
        found.what,
        new RegExp(`\\(${held.pid}\\).*D-Bus.*\\(${process.pid}\\).*descriptor 3`),
      );
      if (whyNoDumps() === undefined) {
        const { ok, log } = dump(held);
        assert.equal(ok, false);
        assert.equal(explainFailure('dump', log).cause, 'unixSocket');
      }
    } finally {
      held.end();
      server.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('a datagram socket of a process that moves along does not', async () => {
    const held = await hold(
      'p = os.getcwd() + "/log"\nif os.fork() == 0:\n  os.setsid(); s = socket.socket(1, 2); s.bind(p); ready(); time.sleep(60); os._exit(0)\nwhile not os.path.exists(p): time.sleep(0.01)\ns = socket.socket(1, 2); s.connect(p)',
    );
    try {
      // The server is a child here, so the connection is inside.
      assert.deepEqual(blocking(await findingsOf(held.pid)), []);
    } finally {
      held.end();
    }
  });

  it('connections to the outside are closed, those inside are told apart', async () => {
    const server = createServer();
    await listen(server, 0);
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    const held = await hold(
      `o = socket.create_connection(("127.0.0.1", ${address.port})); l = socket.socket(); l.setsockopt(1, 2, 1); l.bind(("127.0.0.1", 0)); l.listen(); c = socket.create_connection(l.getsockname()); d, _ = l.accept()`,
    );
    try {
      const facts = await factsOf(held.pid);
      assert.equal(facts.connections.filter((each) => each.inside).length, 2);
      const outside = facts.connections.filter((each) => !each.inside);
      assert.equal(outside.length, 1);
      assert.equal(outside[0]?.remote, `127.0.0.1:${address.port}`);
      const findings = await findingsOf(held.pid);
      assert.deepEqual(blocking(findings), []);
      const said = findings.filter((each) => each.cause === 'connection');
      assert.deepEqual(
        said.map((each) => each.severity),
        ['warns', 'warns'],
      );
      assert.match(said[0]?.what ?? '', /will be closed by the move: .*127\.0\.0\.1:/);
      if (whyNoDumps() === undefined) assert.ok(dump(held).ok);
    } finally {
      held.end();
      server.close();
    }
  });

  it('connections inside only are kept without a word', async () => {
    const held = await hold(
      'l = socket.socket(); l.bind(("127.0.0.1", 0)); l.listen(); c = socket.create_connection(l.getsockname()); d, _ = l.accept()',
    );
    try {
      const findings = await findingsOf(held.pid);
      assert.deepEqual(
        findings.filter((each) => each.cause === 'connection'),
        [],
      );
      const asUser = checkDeparture(await factsOf(held.pid), {
        uid: 0,
        inCell: true,
        hasHelper: false,
      });
      assert.deepEqual(blocking(asUser), []);
    } finally {
      held.end();
    }
  });

  it('a pipe to somebody else is announced with the name of the reader', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'flick-pipe-'));
    const child = spawn('sleep', ['60'], { detached: true, stdio: ['ignore', 'ignore', 'ignore'] });
    const shell = spawn('sh', ['-c', 'sleep 60 | sleep 61'], {
      cwd: folder,
      detached: true,
      stdio: 'ignore',
    });
    try {
      const childWith = (words: string): Promise<number> =>
        eventually(() => {
          const ps = ['-o', 'pid=,args=', '--ppid', String(shell.pid)];
          const children = spawnSync('ps', ps, { encoding: 'utf8' }).stdout;
          const pid = new RegExp(`(\\d+) ${words}`).exec(children)?.[1];
          return Promise.resolve(pid === undefined ? undefined : Number(pid));
        }, words);
      const writer = await childWith('sleep 60');
      const reader = await childWith('sleep 61');
      const findings = await findingsOf(writer);
      const said = findings.find((each) => each.cause === 'leakedDescriptor');
      assert.equal(said?.severity, 'warns');
      assert.match(
        said.what,
        new RegExp(
          `sleep \\(${writer}\\) writes its standard output into a pipe that .*\\(${reader}\\) reads`,
        ),
      );
      assert.deepEqual(blocking(findings), []);
    } finally {
      if (shell.pid !== undefined) process.kill(-shell.pid, 'SIGKILL');
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('a debugger is named', async function () {
    const tracer = await hold(
      'p = os.fork()\nif p == 0:\n  os.setsid(); time.sleep(1000)\nopen("traced", "w").write(str(p)); time.sleep(0.2)\ncheck(libc.ptrace(0x4206, p, 0, 0))',
    );
    try {
      const traced = await childOf(tracer.pid);
      const [found] = blocking(await findingsOf(traced));
      assert.equal(found?.cause, 'traced');
      assert.match(found.what, new RegExp(`\\(${tracer.pid}\\)`));
      if (whyNoDumps() === undefined) {
        const { ok, log } = dump({ ...tracer, pid: traced });
        assert.equal(ok, false);
        assert.equal(explainFailure('dump', log).cause, 'traced');
      }
    } finally {
      process.kill(await childOf(tracer.pid), 'SIGKILL');
      tracer.end();
    }
  });

  it('a job of a shell is a job, and dumps with --shell-job only', async () => {
    const held = await hold('if os.fork() == 0:\n  ready(); time.sleep(1000)\ntime.sleep(0.3)');
    try {
      const job = await childOf(held.pid);
      const facts = await factsOf(job);
      assert.equal(facts.session.leaderInside, false);
      assert.equal(facts.session.leader?.pid, held.pid);
      const findings = await findingsOf(job);
      assert.equal(findings.find((each) => each.cause === 'notLeader')?.severity, 'notes');
      if (whyNoDumps() === undefined) {
        const { ok, log } = dump({ ...held, pid: job });
        assert.equal(ok, false);
        assert.equal(explainFailure('dump', log).cause, 'notLeader');
        assert.ok(dump({ ...held, pid: job }, ['--shell-job']).ok);
      }
    } finally {
      held.end();
    }
  });

  it("somebody else's terminal warns, two of them block", async () => {
    const outer = await hold(
      'import subprocess\nm, s = os.openpty(); n, t = os.openpty()\ndef lead():\n  os.setsid(); fcntl.ioctl(0, 0x540e, 0)\na = subprocess.Popen(["sleep", "1000"], stdin=s, stdout=s, stderr=s, preexec_fn=lead)\nb = subprocess.Popen(["sleep", "1001"], stdin=t, stdout=s, stderr=t, preexec_fn=lead)',
    );
    try {
      const [one, two] = await childrenOf(outer.pid);
      assert.ok(one !== undefined && two !== undefined);
      const facts = await factsOf(one);
      const [terminal] = facts.terminals;
      assert.ok(terminal !== undefined && facts.terminals.length === 1);
      const findings = await findingsOf(one);
      assert.deepEqual(blocking(findings), []);
      assert.equal(findings.find((each) => each.cause === 'terminal')?.severity, 'warns');
      const [found] = blocking(await findingsOf(two));
      assert.equal(found?.cause, 'terminal');
      if (whyNoDumps() === undefined) {
        const external = ['--external', `tty[${terminal.key}]`];
        assert.ok(dump({ ...outer, pid: one }, external).ok);
        const { ok, log } = dump({ ...outer, pid: two }, external);
        assert.equal(ok, false);
        assert.equal(explainFailure('dump', log).cause, 'terminal');
      }
    } finally {
      for (const pid of await childrenOf(outer.pid)) process.kill(pid, 'SIGKILL');
      outer.end();
    }
  });

  it('inotify on an overlay moves only with nfs_export=on', async function () {
    if (!isRoot) skip(this, 'only root can mount an overlay');
    for (const exported of [false, true]) {
      const folder = mkdtempSync(join(tmpdir(), 'flick-overlay-'));
      for (const name of ['lower', 'upper', 'work', 'merged']) mkdirSync(join(folder, name));
      const extra = exported ? ',index=on,nfs_export=on' : '';
      const layers = `lowerdir=lower,upperdir=upper,workdir=work${extra}`;
      const mounted = spawnSync('mount', ['-t', 'overlay', 'overlay', '-o', layers, 'merged'], {
        cwd: folder,
      });
      try {
        if (mounted.status !== 0) skip(this, 'no overlay can be mounted here');
        const held = await hold(
          'f = check(libc.inotify_init()); check(libc.inotify_add_watch(f, sys.argv[1].encode(), 0xfff))',
          [join(folder, 'merged')],
        );
        try {
          const causes = blocking(await findingsOf(held.pid)).map((each) => each.cause);
          assert.deepEqual(causes, exported ? [] : ['inotify']);
          if (whyNoDumps() === undefined) assert.equal(dump(held).ok, exported);
        } finally {
          held.end();
        }
      } finally {
        spawnSync('umount', ['-l', join(folder, 'merged')]);
        rmSync(folder, { recursive: true, force: true });
      }
    }
  });

  it('a deleted file with another name left blocks', async () => {
    const held = await hold('f = open("a", "w"); os.link("a", "b"); os.unlink("a")');
    try {
      const [found, ...rest] = blocking(await findingsOf(held.pid));
      assert.deepEqual(rest, []);
      assert.equal(found?.cause, 'fileDeleted');
    } finally {
      held.end();
    }
  });

  it("an ordinary user's cell cannot save watches and deleted mappings", async () => {
    const held = await hold(
      'f = check(libc.inotify_init()); check(libc.inotify_add_watch(f, b".", 0xfff))\nfrom multiprocessing import Semaphore\ns = Semaphore(1)',
    );
    try {
      const facts = await factsOf(held.pid);
      const ids = { uids: [1000], gids: [1000] };
      const own = { ...facts, processes: facts.processes.map((each) => ({ ...each, ...ids })) };
      const findings = checkDeparture(own, { uid: 1000, inCell: true, hasHelper: false });
      const causes = blocking(findings).map((each) => each.cause);
      assert.deepEqual(causes.sort(), ['fileDeleted', 'inotify']);
      const outside = checkDeparture(own, { uid: 1000, inCell: false, hasHelper: false });
      assert.deepEqual(
        blocking(outside).map((each) => each.cause),
        ['permission'],
      );
      const stranger = checkDeparture(facts, { uid: 1000, inCell: true, hasHelper: false });
      if (isRoot) assert.ok(blocking(stranger).some((each) => each.cause === 'otherUser'));
    } finally {
      held.end();
    }
  });

  it('supervisors and masters are named', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'flick-super-'));
    writeFileSync(
      join(folder, 'nodemon.js'),
      "require('child_process').spawn('sleep', ['1000'], { stdio: 'ignore' }); require('fs').writeFileSync('ready', ''); setInterval(() => {}, 1000);",
    );
    const held = await start([process.execPath, 'nodemon.js'], folder);
    try {
      const child = await childOf(held.pid);
      const [found] = blocking(await findingsOf(child));
      assert.equal(found?.cause, 'supervised');
      assert.match(found.what, new RegExp(`nodemon \\(${held.pid}\\)`));
    } finally {
      held.end();
    }
    const master = await hold('if os.fork() == 0:\n  ready(); time.sleep(1000)\ntime.sleep(0.3)');
    try {
      const worker = await childOf(master.pid);
      const findings = blocking(await findingsOf(worker));
      assert.deepEqual(
        findings.map((each) => each.cause),
        ['supervised'],
      );
      assert.deepEqual(blocking(await findingsOf(master.pid)), []);
    } finally {
      master.end();
    }
  });

  it('hostile names are escaped in sentences, and facts survive their journey', async () => {
    const held = await hold(
      'libc.prctl(15, b"ev\\n) Z 1 1\\x1b[2", 0, 0, 0); f = call(323, 1); g = open("a\\nb\\x1b[2J (deleted)", "w")',
    );
    try {
      const facts = await factsOf(held.pid);
      const travelled: unknown = JSON.parse(JSON.stringify(facts));
      assert.deepEqual(v.parse(criuFacts, travelled), facts);
      assert.ok(
        facts.openFiles.some(
          (each) => each.path.endsWith('a\nb\u001b[2J (deleted)') && !each.deleted,
        ),
      );
      for (const finding of await findingsOf(held.pid)) {
        assert.doesNotMatch(finding.what + (finding.remedy ?? ''), /[\u0000-\u001f]/);
      }
    } finally {
      held.end();
    }
  });

  it('a process that is no more is said to be gone', async () => {
    const held = await hold('');
    held.end();
    await new Promise((done) => held.child.once('exit', done));
    await assert.rejects(
      factsOf(held.pid),
      (error) => error instanceof FlickError && error.reason === 'processGone',
    );
  });
});

function listen(server: Server, where: string | number): Promise<void> {
  return new Promise((resolve) => {
    if (typeof where === 'string') server.listen(where, resolve);
    else server.listen(where, '127.0.0.1', resolve);
  });
}

async function childOf(pid: number): Promise<number> {
  const [child] = await childrenOf(pid);
  assert.ok(child !== undefined);
  return child;
}

async function childrenOf(pid: number): Promise<number[]> {
  const { stdout } = spawnSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' });
  return Promise.resolve(
    stdout
      .trim()
      .split(/\s+/)
      .filter((each) => each !== '')
      .map(Number),
  );
}
