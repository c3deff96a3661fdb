import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { requireProgram } from '../support/provisioned.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { beats, broken, eventually, type LabFixture } from './labFixture.ts';
import { ask, type Marks, type Probe, type Site, type Station } from './stations.ts';

const run = promisify(execFile);

/** Where programs and their files lie on a device. */
export interface Ground {
  readonly fixture: LabFixture;
  readonly user: 'root' | 'dev';
  /** A folder of the user on alpha, the home of all programs. */
  readonly folder: string;
}

/** A real program: how it is started, and what can be seen of its state from outside. */
export interface Program {
  readonly name: string;
  readonly command: readonly string[];
  /** What else `flick run` is asked for. */
  readonly options?: readonly string[];
  /** It writes `beat 1`, `beat 2`, … as long as it runs. */
  readonly hasBeats: boolean;
  readonly marks: Marks;
  readonly probe?: Probe;
  /** Puts its files onto the devices. */
  prepare(context: Mocha.Context): Promise<void>;
  /** Waits until it works and gives it state that must not get lost. */
  begin(site: Site): Promise<void>;
  /** Looks at its state, wherever it is. */
  look(site: Site): Promise<void>;
  /** Looks at what it left, back at home; it may have ended by itself then. */
  finish?(site: Site): Promise<'ended' | 'runs'>;
}

const nothing = (): Promise<void> => Promise.resolve();

/** Waits for a beat above `after`, and for output in which none came twice or never. @returns the last beat */
export async function steadyBeats(site: Site, after: number): Promise<number> {
  const seen = await eventually(
    async () => {
      const numbers = beats(await site.output());
      return (numbers.at(-1) ?? 0) > after ? numbers : undefined;
    },
    `beats after ${String(after)} on ${site.station}`,
  );
  assert.equal(broken(seen), undefined);
  assert.equal(seen[0], 1);
  return seen.at(-1) ?? 0;
}

/** An HTTP server that counts in memory. */
export function counter(
  ground: Ground,
  options: { readonly name: string; readonly node: string; readonly version: string; port: number },
): Program {
  const { name, node, version, port } = options;
  const path = `${ground.folder}/counter.cjs`;
  const probe = { port, question: 'GET / HTTP/1.0\r\n\r\n', answer: /"count":(\d+),/ };
  let last = 0;
  return {
    name,
    command: [node, path, String(port)],
    hasBeats: true,
    marks: { [`counter\\.cjs ${String(port)}$`]: 1 },
    probe,
    prepare: () => ground.fixture.place('alpha', 'counter.cjs', path, ground.user),
    begin: async ({ address }) => {
      for (let count = 1; count <= 5; count += 1) {
        last = await eventually(() => ask(address, probe), `${name} answers`);
        assert.equal(last, count);
      }
    },
    look: async (site) => {
      const count = await ask(site.address, probe);
      assert.ok(
        count !== undefined && count > last,
        `${String(count)} requests after ${String(last)}`,
      );
      last = count;
      const response = await fetch(`http://${site.address}:${String(port)}/`);
      const said = JSON.parse(await response.text()) as { node: string; count: number };
      assert.ok(said.node.startsWith(version), said.node);
      last = said.count;
      for (const pid of await site.fixture.pidsOf(site.station, `counter\\.cjs ${String(port)}$`)) {
        const open = await site.fixture.on(site.station, ['ls', '-l', `/proc/${String(pid)}/fd`]);
        assert.doesNotMatch(open, /io_uring/);
      }
    },
  };
}

/** A Python program with a generator, threads and a log file that stays open. */
export function generator(ground: Ground): Program {
  const { fixture, user, folder } = ground;
  const path = `${folder}/generator.py`;
  const log = `${folder}/generator.log`;
  const lines = async (station: Station, at: string): Promise<string> =>
    fixture.on(station, ['cat', at], { user: 'root' });
  const own = 'a file of beta\n';
  return {
    name: 'Python with a generator, threads and a log file',
    command: ['/usr/bin/python3', path, log],
    hasBeats: true,
    marks: { 'generator\\.py': 1 },
    prepare: async () => {
      await fixture.place('alpha', 'generator.py', path, user);
      const script = 'mkdir -p "$(dirname "$1")" && cat > "$1"';
      await fixture.on('beta', ['sh', '-c', script, 'sh', log], { input: own });
    },
    begin: async () => {
      await eventually(
        async () => ((await lines('alpha', log)).includes('line 3\n') ? true : undefined),
        'three lines in the log',
      );
    },
    look: async ({ station }) => {
      if (station === 'beta') assert.equal(await lines('beta', log), own);
    },
    finish: async () => {
      const before = (await lines('alpha', log)).length;
      const all = await eventually(async () => {
        const text = await lines('alpha', log);
        return text.length > before && text.endsWith('\n') ? text : undefined;
      }, 'the log at home grows');
      const numbers = [...all.matchAll(/^line (\d+)$/gm)].map((match) => Number(match[1]));
      assert.equal(numbers[0], 1);
      assert.equal(broken(numbers), undefined);
      assert.equal(await lines('beta', log), own);
      return 'runs';
    },
  };
}

const keys = 10_000;

/** A Redis with many keys, one of which expires on the way. */
export function redis(ground: Ground, port: number): Program {
  const cli = async (site: Site, ...words: string[]): Promise<string> => {
    const { stdout } = await run('redis-cli', ['-h', site.address, '-p', String(port), ...words]);
    return stdout.trim();
  };
  let counted = 0;
  return {
    name: 'redis-server with 10,000 keys',
    command: [
      ...['redis-server', '--port', String(port), '--bind', '0.0.0.0', '--protected-mode', 'no'],
      ...['--save', '', '--dir', ground.folder],
    ],
    hasBeats: false,
    marks: { [`redis-server .*:${String(port)}`]: 1 },
    probe: { port, question: 'INCR questions\r\n', answer: /^:(\d+)\r\n/ },
    prepare: async (context) => {
      requireProgram(context, 'redis-cli');
      requireProgram(context, 'redis-server');
      await ground.fixture.on('alpha', ['mkdir', '-p', ground.folder], { user: ground.user });
    },
    begin: async (site) => {
      await eventually(
        async () => ((await cli(site, 'ping')) === 'PONG' ? true : undefined),
        'redis',
      );
      const sets = Array.from(
        { length: keys },
        (_, n) => `SET key:${String(n)} value-${String(n * n)}`,
      );
      await new Promise<void>((resolve, reject) => {
        const words = ['-h', site.address, '-p', String(port), '--pipe'];
        const child = execFile('redis-cli', words, (error) =>
          error === null ? resolve() : reject(new Error('redis-cli --pipe', { cause: error })),
        );
        child.stdin?.end(`${sets.join('\r\n')}\r\n`);
      });
      await cli(site, 'SET', 'lasting', 'a', 'EX', '1000');
      await cli(site, 'SET', 'brief', 'b', 'PX', '300');
      await cli(site, 'INCR', 'questions');
    },
    look: async (site) => {
      for (const n of [0, 1, 4_711, 9_999]) {
        assert.equal(await cli(site, 'GET', `key:${String(n)}`), `value-${String(n * n)}`);
      }
      const questions = Number(await cli(site, 'GET', 'questions'));
      assert.ok(questions > counted);
      counted = questions;
      await eventually(
        async () => ((await cli(site, 'GET', 'brief')) === '' ? true : undefined),
        'brief expires',
      );
      const left = Number(await cli(site, 'TTL', 'lasting'));
      assert.ok(left > 800 && left <= 1000, String(left));
      assert.equal(Number(await cli(site, 'DBSIZE')), keys + 2);
      await cli(site, 'INCR', 'questions');
    },
  };
}

/** SQLite in the middle of a transaction. */
export function transaction(ground: Ground): Program {
  const { fixture, user, folder } = ground;
  const path = `${folder}/transaction.py`;
  const database = `${folder}/transaction.db`;
  return {
    name: 'sqlite3 in the middle of a transaction',
    command: ['/usr/bin/python3', path, database],
    hasBeats: true,
    marks: { 'transaction\\.py': 1 },
    prepare: () => fixture.place('alpha', 'transaction.py', path, user),
    begin: nothing,
    look: nothing,
    finish: async (site) => {
      await fixture.flick.json(['kill', site.id, '--signal', 'USR1']);
      const ended = await fixture.flick.json<{ exitCode: number | null }>(['wait', site.id]);
      assert.equal(ended.exitCode, 0);
      const committed = /committed (\d+)/.exec(await site.output())?.[1] ?? '';
      const sums =
        "import sqlite3,sys;print(*sqlite3.connect(sys.argv[1]).execute('select count(*),max(n) from rows').fetchone())";
      const found = await fixture.on('alpha', ['/usr/bin/python3', '-c', sums, database]);
      assert.equal(found.trim(), `${committed} ${committed}`);
      return 'ended';
    },
  };
}

/** nginx with two workers. Its workers stay with root: a root without CAP_SYS_RESOURCE cannot dump those of others. */
export function nginx(ground: Ground, port: number, daemon = false): Program {
  const { fixture, folder } = ground;
  const site = `${folder}/nginx`;
  const configuration = `
user root; worker_processes 2; daemon ${daemon ? 'on' : 'off'}; pid ${site}/nginx.pid; error_log ${site}/error.log;
events { worker_connections 64; }
http {
  access_log ${site}/access.log;
  server { listen 0.0.0.0:${String(port)}; location / { root ${site}; } location /status { stub_status; } }
}`;
  const probe = {
    port,
    question: 'GET /status HTTP/1.0\r\n\r\n',
    answer: /requests\s+\d+ \d+ (\d+) /,
  };
  let last = 0;
  const accesses = async (): Promise<number> =>
    (await fixture.on('alpha', ['cat', `${site}/access.log`])).split('\n').length - 1;
  return {
    name: 'nginx with its workers',
    command: ['/usr/sbin/nginx', '-p', site, '-c', `${site}/nginx.conf`],
    // Its pages are opened when somebody asks for them: nothing but its user knows of them.
    options: ['--carry', site],
    hasBeats: false,
    marks: { '^nginx: master': 1, '^nginx: worker': 2 },
    probe,
    prepare: async (context) => {
      requireProgram(context, 'nginx');
      const script = 'mkdir -p "$1" && echo hello > "$1/index.html" && cat > "$1/nginx.conf"';
      await fixture.on('alpha', ['sh', '-c', script, 'sh', site], { input: configuration });
    },
    begin: async ({ address }) => {
      for (let request = 0; request < 5; request += 1) {
        last = await eventually(() => ask(address, probe), 'nginx answers');
      }
      assert.ok(last >= 5);
    },
    look: async ({ address }) => {
      const response = await fetch(`http://${address}:${String(port)}/index.html`);
      assert.equal(await response.text(), 'hello\n');
      const requests = await ask(address, probe);
      assert.ok(requests !== undefined && requests > last);
      last = requests;
    },
    finish: async ({ address }) => {
      const requests = (await ask(address, probe)) ?? 0;
      // A line is written after the answer, and a request that the move cut off may have been counted without one.
      const lines = await eventually(async () => {
        const count = await accesses();
        return count >= requests - 6 ? count : undefined;
      }, 'every request is in the log at home');
      assert.ok(lines <= requests);
      return 'runs';
    },
  };
}

/** A C program that only alpha has, with four threads and a file without a name. */
export function threads(ground: Ground): Program {
  const { fixture, user, folder } = ground;
  const path = `${folder}/threads`;
  return {
    name: 'a C program with four threads and a deleted file',
    command: [path],
    hasBeats: true,
    marks: { [`${path}$`]: 1 },
    prepare: async (context) => {
      const compiler = requireProgram(context, 'gcc');
      const made = temporaryFolder();
      try {
        const source = join(import.meta.dirname, 'programs/threads.c');
        execFileSync(compiler, ['-pthread', '-o', join(made.path, 'threads'), source]);
        const script = 'mkdir -p "$(dirname "$1")" && cat > "$1" && chmod 755 "$1"';
        const input = readFileSync(join(made.path, 'threads'));
        await fixture.on('alpha', ['sh', '-c', script, 'sh', path], { user, input });
      } finally {
        made.remove();
      }
    },
    begin: nothing,
    look: async (site) => {
      const text = await site.output();
      const said = [...text.matchAll(/beat (\d+) file (\d+) size (\d+) threads ([\d ]+)\r?$/gm)];
      let turns: readonly number[] = [0, 0, 0, 0];
      for (const [, beat, file, size, list] of said) {
        assert.equal(Number(file), Number(beat));
        assert.equal(Number(size), Number(beat) * 7);
        const now = (list ?? '').split(' ').map(Number);
        assert.ok(
          now.every((turn, n) => turn >= (turns[n] ?? 0)),
          'a thread went back',
        );
        turns = now;
      }
      const again = await eventually(async () => {
        const later = [...(await site.output()).matchAll(/threads ([\d ]+)\r?$/gm)].at(-1)?.[1];
        const now = (later ?? '').split(' ').map(Number);
        return now.every((turn, n) => turn > (turns[n] ?? 0)) ? now : undefined;
      }, 'every thread goes on');
      assert.equal(again.length, 4);
      assert.deepEqual(
        await fixture.lab.exec('beta', ['test', '-e', path]).then(({ code }) => code),
        1,
      );
    },
  };
}

/** A shell, and three programs that hand lines on. */
export function pipeline(ground: Ground): Program {
  const { fixture, user, folder } = ground;
  const path = `${folder}/pipeline.sh`;
  return {
    name: 'a shell pipeline of three processes',
    command: ['sh', path],
    hasBeats: true,
    marks: { 'pipeline\\.sh$': 1, '^/usr/bin/python3 -u': 1, '^sed -u s/': 1, '^cat -u$': 1 },
    prepare: () => fixture.place('alpha', 'pipeline.sh', path, user),
    begin: nothing,
    look: nothing,
  };
}
