import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireProgram, requireProvisioned, requireRoot, root } from '../support/provisioned.ts';
import { eventually } from '../system/labFixture.ts';
import type { CommandResult } from './commands.ts';
import { mustRun, run } from './commands.ts';
import { Lab } from './lab.ts';
import { findProcess, processesWithArgument } from './processes.ts';
import { placesOf } from './state.ts';

/** Runs a command on a device through this machine's real ssh client, as a user would. */
function ssh(lab: Lab, user: string, name: string, ...argv: string[]): Promise<CommandResult> {
  const options = ['-F', 'none', '-i', lab.identity];
  const checks = ['BatchMode=yes', 'StrictHostKeyChecking=yes'];
  checks.push(`UserKnownHostsFile=${join(lab.flickHome, 'known_hosts')}`);
  const flags = checks.flatMap((check) => ['-o', check]);
  return run(['ssh', ...options, ...flags, `${user}@${lab.device(name).address}`, ...argv]);
}

/** How long something takes, in ms. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** The namespaces of a process, such as `net:[4026532219]`. */
function namespacesOf(pid: number): string[] {
  return ['net', 'pid', 'mnt', 'uts', 'ipc', 'cgroup'].map((kind) =>
    readlinkSync(`/proc/${String(pid)}/ns/${kind}`),
  );
}

/** All namespaces that some process is in. */
function usedNamespaces(): Set<string> {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const found = pids.flatMap((pid) => {
    try {
      return namespacesOf(Number(pid));
    } catch {
      return [];
    }
  });
  return new Set(found);
}

describe('test devices', function () {
  this.timeout(120_000);
  let home = '';
  let lab: Lab;

  before(async function () {
    requireRoot(this);
    for (const program of ['sshd', 'ssh', 'sudo', 'nsenter', 'ip', 'python3']) {
      requireProgram(this, program);
    }
    home = mkdtempSync(join(tmpdir(), 'flick-lab-test-'));
    lab = await Lab.up(['alpha', 'beta'], { flickHome: home });
  });

  after(async () => {
    if (home === '') return;
    await Lab.down({ flickHome: home });
    rmSync(home, { recursive: true, force: true });
  });

  it('are registered for root and dev, with their host keys', () => {
    const list: unknown = JSON.parse(readFileSync(join(home, 'devices.json'), 'utf8'));
    const entry = (name: string, device: string, user: string): object => ({
      name,
      host: lab.device(device).address,
      port: 22,
      user,
      identityFile: lab.identity,
    });
    assert.deepEqual(list, {
      version: 1,
      devices: [
        entry('alpha', 'alpha', 'root'),
        entry('alpha-dev', 'alpha', 'dev'),
        entry('beta', 'beta', 'root'),
        entry('beta-dev', 'beta', 'dev'),
      ],
    });
  });

  it('let root and dev in over ssh, with node and criu in PATH', async function () {
    const criu = requireProvisioned(this, 'criu');
    assert.ok(existsSync(criu));
    const asRoot = await ssh(lab, 'root', 'alpha', 'hostname; id -u; node --version; criu check');
    assert.deepEqual(asRoot.stdout.split('\n').slice(0, 4), [
      'alpha',
      '0',
      process.version,
      'Looks good.',
    ]);
    const asDev = await ssh(lab, 'dev', 'beta', 'hostname; id -u; pwd; sudo -n id -u; type criu');
    assert.equal(asDev.stdout, 'beta\n1202\n/home/dev-beta\n0\ncriu is /usr/local/bin/criu\n');
    const onAlpha = await ssh(lab, 'dev', 'alpha', 'id -u; pwd');
    assert.equal(onAlpha.stdout, '1101\n/home/dev\n');
  });

  it('reach each other by name', async () => {
    const { stdout } = await lab.exec('alpha', ['ssh-keyscan', '-t', 'ed25519', 'beta']);
    assert.ok(stdout.includes(lab.device('beta').hostKey));
  });

  it('run commands with their input and exit status', async () => {
    const script = 'read line; echo "got $line as $(id -un) in $PWD"; exit 37';
    const result = await lab.exec('beta', ['sh', '-c', script], { user: 'dev', input: 'a line\n' });
    assert.deepEqual(result, {
      code: 37,
      stdout: 'got a line as dev in /home/dev-beta\n',
      stderr: '',
    });
    const killed = await lab.exec('alpha', ['sh', '-c', 'kill -KILL $$']);
    assert.equal(killed.code, 137);
  });

  it('run commands from the command line, with nothing else on stdout', async () => {
    const line = ['exec', 'alpha', '--user', 'dev', '--', 'sh', '-c', 'cat; exit 5'];
    const argv = [process.execPath, join(root, 'scripts/run.mjs'), 'lab', ...line];
    const env = { ...process.env, FLICK_HOME: home } as Record<string, string>;
    const { code, stdout } = await run(argv, { env, input: 'in\n' });
    assert.deepEqual({ code, stdout }, { code: 5, stdout: 'in\n' });
  });

  it('reap orphans', async () => {
    await lab.exec('alpha', ['sh', '-c', '(sleep 0.1 &) ; exit 0']);
    await lab.exec('alpha', ['sleep', '0.4']);
    await eventually(async () => {
      const { stdout } = await lab.exec('alpha', ['ps', '-eo', 'stat,args']);
      return /^Z/m.test(stdout) ? undefined : true;
    }, 'no zombie is left');
  });

  it('let an ordinary user make user namespaces with /proc and overlays', async () => {
    const make = ['unshare', '--user', '--map-root-user', '--pid', '--mount', '--fork'];
    const proc = await lab.exec('alpha', [...make, '--mount-proc', 'ps', 'ax'], { user: 'dev' });
    assert.equal(proc.code, 0, proc.stderr);
    const layers = 'lowerdir=/etc,upperdir=layer/upper,workdir=layer/work,userxattr';
    const script = `mkdir -p layer/upper layer/work && mount -t overlay -o ${layers} overlay /mnt &&
      touch /mnt/mine && ls layer/upper`;
    const overlay = await lab.exec('alpha', [...make, 'sh', '-c', script], { user: 'dev' });
    assert.equal(overlay.stdout, 'mine\n', overlay.stderr);
  });

  it('keep files and lose processes and memory in a power cut', async () => {
    const bootId = async (): Promise<string> =>
      (await ssh(lab, 'root', 'beta', 'cat /proc/sys/kernel/random/boot_id')).stdout;
    const before = await bootId();
    assert.match(before, /^[0-9a-f-]{36}\n$/);
    const script = `echo kept | tee ~/file /etc/file /var/lib/flick-lab/file; echo lost >/tmp/file
      rm /usr/local/bin/criu; setsid sleep 1000 >/dev/null 2>&1 &`;
    await lab.exec('beta', ['sh', '-c', script]);
    const pid = lab.device('beta').pid ?? 0;
    await lab.kill('beta');
    assert.equal(findProcess(pid), undefined);
    assert.equal(lab.device('beta').pid, undefined);
    await assert.rejects(mustRun(['ssh-keyscan', '-T', '1', lab.device('beta').address]));
    await lab.boot('beta');
    assert.notEqual(await bootId(), before);
    const look = 'cat ~/file /etc/file /var/lib/flick-lab/file; ls /tmp /usr/local/bin; ps ax';
    const { stdout } = await ssh(lab, 'root', 'beta', look);
    assert.ok(stdout.startsWith('kept\nkept\nkept\n'), stdout);
    assert.doesNotMatch(stdout, /^file$|^criu$|sleep 1000/m);
  });

  it('have the rate that was asked for, each way', async () => {
    const { address } = lab.device('alpha');
    const bytes = 96_000;
    const send = async (): Promise<void> => {
      const input = Buffer.alloc(bytes, 'x');
      const login = ['-F', 'none', '-i', lab.identity, '-o', 'Compression=no'];
      const known = ['-o', `UserKnownHostsFile=${join(home, 'known_hosts')}`, `root@${address}`];
      const { stdout } = await run(['ssh', ...login, ...known, 'wc -c'], { input });
      assert.equal(Number(stdout), bytes);
    };
    const receive = async (): Promise<void> => {
      const { stdout } = await ssh(lab, 'root', 'alpha', `head -c ${String(bytes)} /dev/zero`);
      assert.equal(stdout.length, bytes);
    };
    await lab.rate('alpha', '384kbit');
    // 96,000 bytes take 2 s at 384 kbit/s, less the bucket and the queues' first fill.
    for (const way of [send, receive]) {
      const took = await timed(way);
      assert.ok(took > 1500 && took < 20_000, `${String(took)} ms`);
    }
    await lab.rate('alpha', 'off');
    // The shortest of some: a busy machine makes it longer, the rate would make each one too long.
    let shortest = Infinity;
    for (let round = 0; round < 5 && shortest >= 1500; round += 1) {
      shortest = Math.min(shortest, await timed(send));
    }
    assert.ok(shortest < 1500, `${String(shortest)} ms`);
  });

  it('have the delay that was asked for, each way', async () => {
    // The shortest of some: a busy machine makes it longer, and nothing makes it shorter than the delay.
    const greeting = async (): Promise<number> => {
      const argv = ['ssh-keyscan', '-t', 'ed25519', lab.device('alpha').address];
      const took: number[] = [];
      for (let round = 0; round < 4; round += 1) took.push(await timed(() => mustRun(argv)));
      return Math.min(...took);
    };
    const before = await greeting();
    await lab.delay('alpha', '50ms');
    // Connecting, greeting and key exchange are four round trips at least, 100 ms each.
    const delayed = await greeting();
    assert.ok(delayed > 400 && delayed - before < 3000, `${String(delayed)} ms`);
    await lab.delay('alpha', 'off');
    const after = await greeting();
    assert.ok(after < 400, `${String(after)} ms`);
  });

  it('exist in two labs at once, and are started again after a crash of the lab', async () => {
    const otherHome = mkdtempSync(join(tmpdir(), 'flick-lab-test-'));
    try {
      const other = await Lab.up(['alpha'], { flickHome: otherHome });
      assert.notEqual(other.device('alpha').address, lab.device('alpha').address);
      const pid = other.device('alpha').pid ?? 0;
      // As after a crash in the middle of `up`: processes, links and mounts without a state.
      rmSync(join(placesOf({ flickHome: otherHome }).folder, 'lab.json'));
      const again = await Lab.up(['alpha'], { flickHome: otherHome });
      assert.equal(findProcess(pid), undefined);
      assert.equal((await ssh(again, 'root', 'alpha', 'hostname')).stdout, 'alpha\n');
      assert.equal((await ssh(lab, 'root', 'alpha', 'hostname')).stdout, 'alpha\n');
    } finally {
      await Lab.down({ flickHome: otherHome });
      rmSync(otherHome, { recursive: true, force: true });
    }
  });

  it('leave nothing behind', async () => {
    const places = placesOf({ flickHome: home });
    await lab.delay('alpha', '5ms');
    // A session that is open while the lab goes down.
    const inside = lab.command('beta', ['sleep', '1000']);
    const [program = '', ...args] = inside.argv;
    const session = spawn(program, args, { env: inside.env, stdio: 'ignore' });
    const ended = new Promise((resolve) => session.once('exit', resolve));
    const own = lab.devices.flatMap(({ pid }) => (pid === undefined ? [] : namespacesOf(pid)));
    const folders = lab.devices.map(({ name }) => join(places.folder, name));
    assert.ok(folders.every((folder) => processesWithArgument(folder).length > 0));

    await lab.down();
    await ended;

    const used = usedNamespaces();
    assert.deepEqual(
      own.filter((namespace) => used.has(namespace)),
      [],
    );
    assert.deepEqual(
      folders.flatMap((folder) => processesWithArgument(folder)),
      [],
    );
    assert.doesNotMatch(await mustRun(['ip', '-brief', 'link']), new RegExp(`fl${places.id}`));
    assert.ok(!readFileSync('/proc/self/mountinfo', 'utf8').includes(places.folder));
    for (const path of [places.folder, `${places.folder}.lock`, home]) {
      assert.ok(!existsSync(path), `${path} is left`);
    }
    const cgroups = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
    const mount = cgroups.find((line) => / - cgroup2 /.test(line))?.split(' ')[4];
    if (mount !== undefined) {
      const left = readdirSync(mount).filter((name) => name.includes(`flick-lab-${places.id}`));
      assert.deepEqual(left, []);
    }
  });
});
