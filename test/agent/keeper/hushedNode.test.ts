import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import type {
  KeeperClient,
  LaunchOptions,
  OutputPiece,
} from '../../../agent/keeper/keeperClient.ts';
import { readScrollbackRecord } from '../../../agent/keeper/keeperRecords.ts';
import { startGuard } from '../../../agent/keeper/startKeeper.ts';
import { freePort } from '../../support/freePort.ts';
import { provisioned } from '../../support/provisioned.ts';
import { skip } from '../../support/skip.ts';
import { inspectorLines, withoutInspectorLines } from './inspectorLines.ts';
import {
  Bench,
  buildKeeper,
  cannotMakeCells,
  keeperBinary,
  plainEnv,
  Screen,
  until,
} from './support.ts';

const sigusr1 = 10;

/** Echoes what is typed behind a prompt, ends with status 7 at `end`. */
const program = `
  process.stdout.write('> ');
  process.stdin.on('data', (data) => {
    const word = data.toString().trim();
    process.stdout.write('Debugger got ' + word + '\\n> ');
    if (word === 'end') process.exit(7);
  });`;

/** What it writes, the terminal's echo included, while somebody types `one`, `two` and `end`. */
const output = ['one', 'two', 'end'].reduce(
  (text, word) => `${text}${word}\r\nDebugger got ${word}\r\n> `,
  '> ',
);

function shell(script: string, ...args: readonly string[]): LaunchOptions {
  return { argv: ['sh', '-c', script, ...args], cwd: '/', env: plainEnv, columns: 200, rows: 24 };
}

/** Waits for the inspector and connects to it. */
async function attach(port: number): Promise<WebSocket> {
  let url: unknown;
  await until(async () => {
    const targets = await fetch(`http://127.0.0.1:${String(port)}/json/list`).then(
      (answer) => answer.json() as Promise<readonly { webSocketDebuggerUrl?: string }[]>,
      () => [],
    );
    url = targets[0]?.webSocketDebuggerUrl;
    return url !== undefined;
  }, 'the inspector listens');
  const socket = new WebSocket(String(url));
  await new Promise((resolve, reject) => {
    socket.on('open', resolve);
    socket.on('error', reject);
  });
  return socket;
}

async function evaluate(socket: WebSocket, expression: string): Promise<unknown> {
  const answer = new Promise<string>((resolve) => {
    socket.once('message', (data: Buffer) => resolve(data.toString()));
  });
  socket.send(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression } }));
  const { result } = JSON.parse(await answer) as { result: { result: { value: unknown } } };
  return result.result.value;
}

async function close(socket: WebSocket): Promise<void> {
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.close();
  await closed;
}

/** What a viewer sees; fails when a piece does not begin where the one before it ended. */
class Viewer {
  text = '';
  #end = 0;

  static async of(client: KeeperClient): Promise<Viewer> {
    const viewer = new Viewer();
    client.onOutput((piece) => viewer.#add(piece));
    await client.subscribe(0);
    return viewer;
  }

  #add({ offset, data }: OutputPiece): void {
    if (offset !== this.#end) this.text += `<gap from ${String(this.#end)} to ${String(offset)}>`;
    this.#end = offset + data.length;
    this.text += data.toString('latin1');
  }
}

describe('keeper: a hush', function () {
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

  /** Debugs the program twice, the second time over its end. Returns the live and the kept output. */
  async function debugged(node: string, hushMs: number): Promise<{ live: string; kept: string }> {
    const { dir, client } = await bench.cell();
    const viewer = await Viewer.of(client);
    const port = await freePort();
    const script = join(await bench.folder(), 'program.cjs');
    await writeFile(script, program);
    const argv = [node, `--inspect-port=${String(port)}`, script];
    await client.launch({ argv, env: plainEnv, cwd: '/', columns: 200, rows: 24 });
    const types = async (word: string): Promise<void> => {
      await client.input(Buffer.from(`${word}\n`));
      // Up to the prompt: what is typed before would be echoed in front of it.
      await until(() => viewer.text.includes(`got ${word}\r\n> `), `the program got ${word}`);
    };
    await until(() => viewer.text.includes('> '), 'the program asks');
    await client.hush(hushMs);
    await client.signal(sigusr1);
    const first = await attach(port);
    assert.equal(await evaluate(first, '6 * 7'), 42);
    await types('one');
    await close(first);
    const second = await attach(port);
    assert.equal(await evaluate(second, 'process.exitCode = 5'), 5);
    await types('two');
    await types('end');
    // It waits at its end for this debugger to leave, which it says only while there is one.
    if (hushMs === 0) await until(() => viewer.text.includes('Waiting for'), 'it waits at its end');
    await close(second);
    await until(() => client.isClosed, 'the program has ended');
    const kept = await readScrollbackRecord(dir);
    assert.equal(kept?.start, 0);
    return { live: viewer.text, kept: kept.data.toString('latin1') };
  }

  for (const [name, node] of [
    [`${process.version} of this run`, process.execPath],
    ['22', provisioned.node22],
    ['24', provisioned.node24],
    ['26', provisioned.node26],
  ] as const) {
    it(`keeps the inspector of Node.js ${name} out of the terminal and the scrollback`, async function () {
      if (!existsSync(node)) skip(this, `${name} could not be had on this machine`);
      assert.deepEqual(await debugged(node, 600_000), { live: output, kept: output });
    });
  }

  it('is what keeps it out: without, Node.js prints all of its lines', async () => {
    const { live, kept } = await debugged(process.execPath, 0);
    assert.equal(live, kept);
    for (const word of ['listening on ws:', 'attached.', 'ending on ws:', 'Waiting for', 'help']) {
      assert.ok(live.includes(word), `${word} in ${live}`);
    }
    assert.equal(withoutInspectorLines(live), output);
  });

  it('keeps out that the port is taken', async () => {
    const { client } = await bench.cell();
    const screen = await Screen.of(client);
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const address = taken.address();
    assert.ok(typeof address === 'object' && address !== null);
    // What goes to the terminal goes to a file too, and there all of it can be seen.
    const seen = join(await bench.folder(), 'seen');
    const node = [process.execPath, `--inspect-port=${String(address.port)}`, '-e', program];
    const argv = ['sh', '-c', 'trap "" USR1; "$@" 2>&1 | tee "$0"', seen, ...node];
    await client.launch({ argv, env: plainEnv, cwd: '/', columns: 200, rows: 24 });
    await screen.shows('> ');
    await client.hush(600_000);
    await client.signal(sigusr1, 'foreground');
    const failed = (text: string): boolean => /^> Starting inspector on .* failed: /.test(text);
    await until(async () => failed(await readFile(seen, 'utf8')), 'the inspector failed');
    await client.input(Buffer.from('one\n'));
    await screen.shows(/got one\r\n> $/);
    assert.equal(screen.text, output.slice(0, output.indexOf('two')));
    taken.close();
  });

  it('lets the first bytes of such a line pass when the program writes no more', async () => {
    const { client } = await bench.cell();
    const screen = await Screen.of(client);
    const script = 'read a; printf "Debugger att"; read b; printf "ached.\\n"; sleep 100';
    await client.launch(shell(script));
    await client.hush(600_000);
    await client.input(Buffer.from('\n'));
    await screen.shows(/^\r\nDebugger att$/);
    assert.equal((await client.state()).scrollback.end, screen.text.length);
    await client.input(Buffer.from('\n'));
    await screen.shows(/^\r\nDebugger att\r\nached\.\r\n$/);
  });

  it('drops the lines from a burst at full speed, and writes down what it holds at the end', async () => {
    const { dir, client } = await bench.cell({ scrollbackBytes: 1 << 24 });
    const viewer = await Viewer.of(client);
    const file = join(await bench.folder(), 'burst');
    const line = inspectorLines.map((each) => `prompt> ${each}\n`).join('');
    const burst = `${(line + 'Debugger, said he.\n').repeat(4000)}Debugger attached.`;
    await writeFile(file, burst);
    await client.hush(600_000);
    await client.launch(shell('cat "$0"', file));
    await until(() => client.isClosed, 'the program has ended');
    const rest = `${('prompt> '.repeat(inspectorLines.length) + 'Debugger, said he.\r\n').repeat(4000)}Debugger attached.`;
    const kept = await readScrollbackRecord(dir);
    assert.ok(kept?.data.toString('latin1') === rest, 'the scrollback is what is left');
    assert.ok(viewer.text === rest, 'a viewer sees what is left');
  });

  it('ends when told to, and refuses what is too long', async () => {
    const { client } = await bench.cell();
    const screen = await Screen.of(client);
    await client.launch(shell('while read a; do echo Debugger attached.; echo "<$a>"; done'));
    await client.hush(600_000);
    await client.input(Buffer.from('one\n'));
    await screen.shows('<one>\r\n');
    await client.hush(0);
    await client.input(Buffer.from('two\n'));
    await screen.shows('<two>\r\n');
    assert.equal(screen.text, 'one\r\n<one>\r\ntwo\r\nDebugger attached.\r\n<two>\r\n');
    const refused = { name: 'KeeperError', reason: 'refused', code: 'EINVAL' };
    await assert.rejects(client.hush(600_001), refused);
    const dir = await bench.folder();
    bench.adopt(await startGuard({ keeper: keeperBinary, dir }));
    const guard = await bench.connect(dir);
    assert.equal((await guard.state()).canHush, false);
    await assert.rejects(guard.hush(1000), { ...refused, code: 'ENOTSUP' });
  });
});
