import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { KeeperError } from '../../../agent/keeper/keeperError.ts';
import type { LaunchOptions } from '../../../agent/keeper/keeperClient.ts';
import type { AppEnd } from '../../../agent/keeper/keeperMessages.ts';
import { readAppEndRecord, readScrollbackRecord } from '../../../agent/keeper/keeperRecords.ts';
import { requireProvisioned } from '../../support/provisioned.ts';
import { skip } from '../../support/skip.ts';
import { Bench, buildKeeper, cannotMakeCells, plainEnv, Screen, until } from './support.ts';

function app(...argv: string[]): LaunchOptions {
  return { argv, env: plainEnv, cwd: '/', columns: 100, rows: 30 };
}

describe('keeper: a process in a cell', function () {
  this.timeout(60_000);
  let bench: Bench;
  before(function () {
    const reason = cannotMakeCells();
    if (reason !== undefined) skip(this, reason);
    buildKeeper();
  });
  beforeEach(() => {
    bench = new Bench();
  });
  afterEach(() => bench.dispose());

  it('tells how it ended, also after everybody was away', async () => {
    const { dir, client } = await bench.cell();
    await client.launch(app('sh', '-c', 'echo before; sleep 0.3; echo after; exit 37'));
    client.dispose();
    await until(async () => (await readAppEndRecord(dir)) !== undefined, 'the end is written');
    assert.deepEqual(await readAppEndRecord(dir), { kind: 'code', code: 37 });
    const kept = await readScrollbackRecord(dir);
    assert.deepEqual([kept?.start, kept?.data.toString()], [0, 'before\r\nafter\r\n']);
    await until(() => !existsSync(join(dir, 'sock')), 'the keeper has gone');
  });

  it('tells the signal that ended it, after all of its output', async () => {
    const { client } = await bench.cell();
    const screen = await Screen.of(client);
    const seen: { end: AppEnd; text: string }[] = [];
    client.onEnded((end) => seen.push({ end, text: screen.text }));
    await client.launch(app('sh', '-c', 'seq 1 20000; kill -KILL $$'));
    await until(() => client.isClosed, 'the keeper has gone');
    assert.equal(seen.length, 1);
    assert.deepEqual(seen[0]?.end, { kind: 'signal', signal: 9 });
    assert.match(seen[0]?.text ?? '', /19999\r\n20000\r\n$/);
  });

  it('gives an app the numbers of descriptors that it asks for', async () => {
    const { client } = await bench.cell();
    const screen = await Screen.of(client);
    let text: string | undefined;
    client.onEnded(() => (text = screen.text));
    const shown = app('sh', '-c', 'cd /proc/self/fd && readlink 3 9 10 19; ls 20');
    await client.launch({ ...shown, reservedDescriptors: 20 });
    await until(() => client.isClosed, 'the keeper has gone');
    assert.match(text ?? '', /^(\/dev\/null\r\n){4}.*20.*\r\n$/);
  });

  it('keeps a bounded scrollback and never blocks on an unread terminal', async () => {
    const { client } = await bench.cell({ scrollbackBytes: 8192 });
    await client.launch(app('sh', '-c', 'seq 1 50000; echo done; sleep 100'));
    await until(async () => {
      const { scrollback } = await client.state();
      // 238,894 digits, 50,000 line ends of two bytes each, and the last line.
      return scrollback.end === 338_900;
    }, 'all of it is written');
    const { scrollback } = await client.state();
    assert.equal(scrollback.end - scrollback.start, 8192);
    const late = await Screen.of(client, 0);
    await late.shows(/50000\r\ndone\r\n$/);
    assert.equal(late.text.length, 8192);
  });

  it('gives a late viewer all of a long scrollback of a program that says no more', async () => {
    const { dir, client } = await bench.cell({ scrollbackBytes: 1 << 20 });
    await client.launch(app('sh', '-c', 'seq 1 100000; echo said; sleep 100'));
    // 488,895 digits, 100,000 line ends of two bytes each, and the last line.
    await until(async () => (await client.state()).scrollback.end === 688_901, 'it is written');
    const { scrollback } = await client.state();
    const late = await bench.connect(dir);
    const screen = await Screen.of(late);
    // It hears nothing from the program any more that would bring the rest along; the keeper itself looks up twice a minute.
    await until(() => screen.end === scrollback.end, 'all of it has come', 10_000);
    assert.equal(screen.text.length, scrollback.end - scrollback.start);
  });

  it('shows the same to two viewers, and types for both', async () => {
    const { dir, client } = await bench.cell();
    const first = await Screen.of(client);
    const other = await bench.connect(dir);
    const second = await Screen.of(other);
    await client.launch(app('sh', '-c', 'read a; echo "<$a>"; read b; echo "<$b>"; sleep 100'));
    await client.input(Buffer.from('one\n'));
    await first.shows('<one>');
    await other.input(Buffer.from('two\n'));
    // To the end of the line, which may come by itself.
    await first.shows('<two>\r\n');
    await second.shows('<two>\r\n');
    assert.equal(first.text, second.text);
  });

  it('does not wait for a viewer that does not read', async () => {
    const { dir, client } = await bench.cell();
    const socket = connect(join(dir, 'sock'));
    const subscribe = Buffer.alloc(5 + 12);
    subscribe.writeUInt32LE(12, 0);
    subscribe.writeUInt8(10, 4);
    socket.write(subscribe);
    socket.pause();
    const ended = new Promise<AppEnd>((resolve) => client.onEnded(resolve));
    await client.launch(app('sh', '-c', 'seq 1 800000; exit 5'));
    assert.deepEqual(await ended, { kind: 'code', code: 5 });
    socket.destroy();
  });

  it('resizes the terminal', async () => {
    const { client } = await bench.cell();
    const screen = await Screen.of(client);
    await client.launch(
      app('bash', '-c', 'trap "stty size" WINCH; stty size; while :; do sleep 0.1; done'),
    );
    await screen.shows('30 100');
    await client.resize(77, 22);
    await screen.shows('22 77');
    const { columns, rows } = await client.state();
    assert.deepEqual([columns, rows], [77, 22]);
  });

  it('signals the process and its foreground group', async () => {
    const { client } = await bench.cell();
    const screen = await Screen.of(client);
    await client.launch(
      app(
        'bash',
        '-c',
        'trap "echo got-usr1" USR1; trap "echo got-int" INT; echo up; while :; do sleep 0.1; done',
      ),
    );
    await screen.shows('up');
    await client.signal(10);
    await screen.shows('got-usr1');
    await client.input(Buffer.from('\x03'));
    await screen.shows('got-int');
    await client.signal(15, 'foreground');
    await until(() => client.isClosed, 'the app has ended');
  });

  it('says whether the program or the working directory is missing', async () => {
    const { client } = await bench.cell();
    const folder = await bench.folder();
    await writeFile(join(folder, 'data'), 'x');
    const failure = async (options: LaunchOptions): Promise<unknown[]> => {
      const error: unknown = await client.launch(options).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      assert.ok(error instanceof KeeperError);
      return [error.code, error.stage];
    };
    assert.deepEqual(await failure(app('no-such-program')), ['ENOENT', 'exec']);
    assert.deepEqual(await failure(app(join(folder, 'data'))), ['EACCES', 'exec']);
    assert.deepEqual(await failure({ ...app('true'), cwd: '/no/such' }), ['ENOENT', 'cwd']);
    assert.equal((await client.state()).app, 'none');
    await client.launch({ ...app('my-name', '-c', 'exit 3'), program: '/bin/sh' });
    await until(() => client.isClosed, 'the app has ended');
  });

  it('gives the process its terminal, low PIDs to spare, and nothing else', async () => {
    const { client } = await bench.cell();
    const screen = await Screen.of(client);
    const script = [
      'ls -l /proc/self/fd | sed -n "s/.* \\([0-9]* -> .*\\)/\\1/p"',
      'echo "pid $$ sid $(ps -o sid= -p $$) tty $(tty)"',
      'grep -E "SigBlk|SigIgn" /proc/self/status',
      'ls /dev/pts; ls /proc | grep -c "^[0-9]"; echo end; sleep 100',
    ].join('; ');
    await client.launch(app('sh', '-c', script));
    await screen.shows('end\r\n');
    assert.match(
      screen.text,
      /^0 -> \/dev\/pts\/0\r\n1 -> pipe:.*\r\n2 -> \/dev\/pts\/0\r\n3 -> \/proc\/\d+\/fd\r\npid/s,
    );
    assert.match(screen.text, /pid 301 sid +301 tty \/dev\/pts\/0/);
    assert.match(screen.text, /SigBlk:\s+0+\r\nSigIgn:\s+0+\r\n/);
    assert.match(screen.text, /\r\n0\s+ptmx\r\n[3-6]\r\nend/);
  });

  it('answers ENOSYS to io_uring, so that Node 24 opens none', async function () {
    const node24 = requireProvisioned(this, 'node24');
    const { client } = await bench.cell();
    const screen = await Screen.of(client);
    const script =
      'setTimeout(() => { const fs = require("fs"); console.log(fs.readdirSync("/proc/self/fd").map((f) => { try { return fs.readlinkSync("/proc/self/fd/" + f) } catch { return "" } }).join(" "), "end") }, 100); setTimeout(() => {}, 1e6)';
    await client.launch(app(node24, '-e', script));
    await screen.shows(' end');
    assert.doesNotMatch(screen.text, /io_uring/);
    const { app: state } = await client.state();
    assert.equal(state, 'running');
  });

  it('closes a connection that speaks nonsense, and serves the others', async () => {
    const { dir, client } = await bench.cell();
    await client.launch(app('sleep', '100'));
    const frame = (type: number, payload: Buffer): Buffer =>
      Buffer.concat([
        Buffer.from(Uint32Array.of(payload.length).buffer),
        Buffer.from([type]),
        payload,
      ]);
    const nonsense = [
      Buffer.alloc(4096, 0xff),
      frame(99, Buffer.alloc(8)),
      frame(1, Buffer.alloc(2)),
      Buffer.from([0, 0, 0x20, 0, 1]),
    ];
    for (const bytes of nonsense) {
      const socket = connect(join(dir, 'sock'));
      const closed = new Promise((resolve) => socket.on('close', resolve));
      socket.on('error', () => undefined);
      socket.write(bytes);
      await closed;
    }
    // Malformed bodies are refused, the connection stays.
    const socket = connect(join(dir, 'sock'));
    let answers = 0;
    socket.on('data', (data) => (answers += data.length));
    for (let type = 2; type <= 16; type += 1) {
      if (type === 12) continue;
      socket.write(frame(type, Buffer.alloc(7, 0xee)));
    }
    await until(() => answers > 200, 'the refusals have come');
    socket.destroy();
    const { app: state } = await client.state();
    assert.equal(state, 'running');
  });

  it('outlives the process that started it', async () => {
    const { dir, client } = await bench.cell();
    await client.launch(app('sleep', '100'));
    client.dispose();
    const again = await bench.connect(dir);
    const { app: state, appPid } = await again.state();
    assert.deepEqual([state, appPid], ['running', 301]);
  });

  it('works in a folder with a long name, blanks, commas and colons', async () => {
    const parent = await bench.folder();
    const dir = join(parent, 'a b,c:d\\e', 'x'.repeat(120));
    await mkdir(dir, { recursive: true });
    const { client } = await bench.cell({ dir });
    await client.launch(app('sh', '-c', 'exit 4'));
    await until(async () => (await readAppEndRecord(dir)) !== undefined, 'the end is written');
    assert.deepEqual(await readAppEndRecord(dir), { kind: 'code', code: 4 });
  });

  it('is closed to other users', async () => {
    const { dir } = await bench.cell();
    await chmod(dir, 0o755);
    await chmod(join(dir, 'sock'), 0o777);
    const script = `require('net').connect(${JSON.stringify(join(dir, 'sock'))}).on('close', () => process.exit(9)).on('error', () => {})`;
    const child = spawn(process.execPath, ['-e', script], { uid: 65534, gid: 65534, cwd: '/' });
    assert.equal(await new Promise((resolve) => child.on('close', resolve)), 9);
  });

  it('ends with everything in it when told to', async () => {
    const { dir, client } = await bench.cell();
    await client.launch(app('sh', '-c', 'trap "" TERM HUP INT; sleep 1000 & sleep 1000'));
    await client.shutdown();
    await until(() => !existsSync(join(dir, 'sock')), 'the keeper has gone');
    assert.equal(await readAppEndRecord(dir), undefined);
  });
});
