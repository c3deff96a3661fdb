import assert from 'node:assert/strict';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { listenersOf } from '../../../../agent/debug/inspectorPort.ts';
import { CaptureFailed, holdProgram, restoreCommand } from '../../../../agent/engines/v8/index.ts';
import type { Advance } from '../../../../agent/engines/v8/capsule/advance.ts';
import type { FlickError } from '../../../../protocol/index.ts';

const program = `
let count = 0;
setInterval(() => console.log(++count), 20);
`;

describe('a Node.js program that is held', () => {
  let folder: string;
  const children: ChildProcess[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'flick-hold-'));
    writeFileSync(join(folder, 'program.js'), program);
  });

  afterEach(() => {
    for (const each of children.splice(0)) each.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  function start(command: readonly string[]): { child: ChildProcess; lines: () => string[] } {
    const [node = '', ...args] = command;
    const child = spawn(node, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
    return { child, lines: () => text.split('\n').slice(0, -1) };
  }

  function makeGate(name: string): string {
    const gate = join(folder, name);
    execFileSync('mkfifo', [gate]);
    return gate;
  }

  async function ended(child: ChildProcess): Promise<void> {
    const closed = once(child, 'close');
    child.kill('SIGKILL');
    await closed;
  }

  async function until(is: () => boolean): Promise<void> {
    const deadline = Date.now() + 60_000;
    while (!is()) {
      assert.ok(Date.now() < deadline, 'what was waited for did not happen');
      await delay(5);
    }
  }

  const cpuTicks = (pid: number): number =>
    readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ')
      .slice(11, 13)
      .reduce((sum, each) => sum + Number(each), 0);

  it('stands still without using the processor, and goes on with nothing left behind', async () => {
    const { child, lines } = start([process.execPath, join(folder, 'program.js')]);
    const pid = child.pid ?? 0;
    await until(() => lines().length > 2);
    const gate = makeGate('gate');
    const file = join(folder, 'program.capsule');
    const held = await holdProgram({ pid, file, gate, patienceMs: 20_000 });
    const now = (): { count: number; ticks: number } => ({
      count: lines().length,
      ticks: cpuTicks(pid),
    });
    // On a busy machine threads of Node.js's own come late to the end of what they do.
    const deadline = Date.now() + 30_000;
    let before = now();
    for (let quiet = 0; quiet < 5; quiet += 1) {
      await delay(100);
      assert.ok(Date.now() < deadline, `it does not stand still: ${JSON.stringify(before)}`);
      if (isDeepStrictEqual(now(), before)) continue;
      before = now();
      quiet = -1;
    }
    writeFileSync(gate, 'g');
    await held.over;
    await until(() => lines().length > before.count + 2);
    assert.equal(existsSync(gate), false);
    assert.deepEqual(await listenersOf(pid), []);
    assert.deepEqual(
      lines(),
      lines().map((_, index) => String(index + 1)),
    );
  });

  it('is rebuilt without running, and runs at the word', async () => {
    const { child, lines } = start([process.execPath, join(folder, 'program.js')]);
    await until(() => lines().length > 2);
    const file = join(folder, 'program.capsule');
    const gate = makeGate('source');
    const held = await holdProgram({ pid: child.pid ?? 0, file, gate, patienceMs: 20_000 });
    const hold = {
      gate: makeGate('target'),
      mark: join(folder, 'mark'),
      failure: join(folder, 'failure'),
    };
    const rebuilt = start(restoreCommand({ file, node: process.execPath, hold }));
    await until(() => existsSync(hold.mark));
    await ended(child);
    await held.over;
    // All that it said has been read now.
    const last = Number(lines().at(-1));
    await delay(200);
    assert.deepEqual(rebuilt.lines(), []);
    writeFileSync(hold.gate, 'g');
    await until(() => rebuilt.lines().length > 0);
    assert.equal(Number(rebuilt.lines()[0]), last + 1);
    assert.equal(existsSync(hold.gate), false);
  });

  it('runs on while somebody gets ready for what it tells, and not at all stands still where nobody can', async () => {
    const { child, lines } = start([process.execPath, join(folder, 'program.js')]);
    const pid = child.pid ?? 0;
    await until(() => lines().length > 2);
    const file = join(folder, 'program.capsule');
    const gate = makeGate('gate');
    const told: string[] = [];
    const announce = async (advance: Buffer): Promise<void> => {
      told.push(advance.toString('utf8'));
      const { length } = lines();
      await until(() => lines().length > length + 3);
      if (told.length === 1) throw new Error('nobody gets ready');
    };
    const options = { pid, file, patienceMs: 20_000, announce };
    await assert.rejects(holdProgram({ ...options, gate }), /nobody gets ready/);
    const { length } = lines();
    await until(() => lines().length > length + 5);
    assert.deepEqual(await listenersOf(pid), []);
    assert.equal(existsSync(gate) || existsSync(file), false);
    const held = await holdProgram({ ...options, gate: makeGate('again') });
    const { scripts, node } = JSON.parse(told[1] ?? '{}') as Advance;
    assert.ok(scripts.some(({ source }) => source === program));
    assert.equal(node, process.version);
    child.kill('SIGKILL');
    await held.over;
  });

  it('is refused while it is busy with one thing, which is named, and goes on with nothing left behind', async () => {
    // Until it is told to go on, without a word to anybody in between.
    const go = join(folder, 'go');
    const rounds = `
function compute() { for (let turn = 1; turn % 1e6 !== 0 || !require('node:fs').existsSync('${go}'); turn += 1) Math.sqrt(turn); }
console.log('begins');
compute();
setInterval(() => console.log('goes on'), 20);
`;
    writeFileSync(join(folder, 'program.js'), rounds);
    const { child, lines } = start([process.execPath, join(folder, 'program.js')]);
    await until(() => lines().includes('begins'));
    const options = { pid: child.pid ?? 0, file: join(folder, 'capsule'), gate: makeGate('gate') };
    await assert.rejects(holdProgram({ ...options, patienceMs: 1_000 }), (error: FlickError) => {
      assert.equal(error.reason, 'refused');
      assert.match(
        error.message,
        /busy with one thing for 3 s \(compute \(.*program\.js:2:\d+\)\)/,
      );
      assert.match(error.remedy ?? '', /less busy/);
      return true;
    });
    assert.equal(lines().length, 1, 'it is still busy');
    writeFileSync(go, '');
    await until(() => lines().length > 3);
    assert.deepEqual(await listenersOf(options.pid), []);
    assert.equal(existsSync(options.gate) || existsSync(options.file), false);
  });

  it('is left alone when the move is called off while a safe point is looked for', async () => {
    writeFileSync(
      join(folder, 'program.js'),
      `const file = require('node:fs').openSync('/proc/self/stat'); let n = 0; setInterval(() => console.log(++n), 20);`,
    );
    const { child, lines } = start([process.execPath, join(folder, 'program.js')]);
    await until(() => lines().length > 2);
    const pid = child.pid ?? 0;
    const calledOff = new AbortController();
    const options = { pid, file: join(folder, 'capsule'), gate: makeGate('gate') };
    const held = holdProgram({ ...options, patienceMs: 30_000, signal: calledOff.signal });
    setTimeout(() => calledOff.abort(new Error('called off')), 1_500);
    await assert.rejects(held, /called off/);
    const { length } = lines();
    await until(() => lines().length > length + 5);
    assert.deepEqual(await listenersOf(pid), []);
    assert.equal(existsSync(options.gate) || existsSync(options.file), false);
  });

  it('goes on where something unforeseen happens, told of by one sentence, the stack apart', async () => {
    const { child, lines } = start([process.execPath, join(folder, 'program.js')]);
    await until(() => lines().length > 2);
    const pid = child.pid ?? 0;
    const options = { pid, gate: makeGate('gate'), patienceMs: 20_000 };
    const held = holdProgram({ ...options, file: join(folder, 'missing', 'program.capsule') });
    await assert.rejects(held, (error: unknown) => {
      assert.ok(error instanceof CaptureFailed);
      assert.equal(error.reason, 'refused');
      assert.match(error.message, /^Cannot move: .* \(Error: ENOENT: no such file[^\n]*\)\.$/);
      assert.match(error.details, /ENOENT.*\n +at /);
      return true;
    });
    const before = lines().length;
    await until(() => lines().length > before + 2);
    assert.deepEqual(await listenersOf(pid), []);
    const rebuilding = join(folder, 'failure');
    const hold = { gate: makeGate('target'), mark: join(folder, 'mark'), failure: rebuilding };
    const rebuilt = start(restoreCommand({ file: folder, node: process.execPath, hold }));
    await until(() => rebuilt.child.signalCode !== null || rebuilt.child.exitCode !== null);
    const [sentence, ...stack] = readFileSync(rebuilding, 'utf8').split('\n');
    assert.match(
      sentence ?? '',
      /^The program could not be rebuilt, .* \(Error: EISDIR[^\n]*\)\.$/,
    );
    assert.match(stack.join('\n'), /EISDIR.*\n +at /);
  });

  it('is not taken over where its port is taken, and serves on', async () => {
    writeFileSync(
      join(folder, 'program.js'),
      `const server = require('node:http').createServer((_, answer) => answer.end('served'));
       server.listen(0, '127.0.0.1', () => console.log(server.address().port));`,
    );
    const { child, lines } = start([process.execPath, join(folder, 'program.js')]);
    await until(() => lines().length > 0);
    const url = `http://127.0.0.1:${lines()[0] ?? ''}`;
    const file = join(folder, 'program.capsule');
    const gate = makeGate('source');
    const held = await holdProgram({ pid: child.pid ?? 0, file, gate, patienceMs: 20_000 });
    const failure = join(folder, 'failure');
    const mark = join(folder, 'mark');
    const hold = { gate: makeGate('target'), mark, failure };
    const rebuilt = start(restoreCommand({ file, node: process.execPath, hold }));
    await until(() => rebuilt.child.signalCode !== null || rebuilt.child.exitCode !== null);
    assert.match(
      readFileSync(failure, 'utf8'),
      /port \d+ is taken on this device by another program/,
    );
    assert.equal(existsSync(mark), false);
    writeFileSync(gate, 'g');
    await held.over;
    assert.equal(await (await fetch(url)).text(), 'served');
    await ended(child);
    const again = start(restoreCommand({ file, node: process.execPath, hold }));
    await until(() => existsSync(mark));
    const answer = fetch(url);
    await delay(100);
    writeFileSync(hold.gate, 'g');
    assert.equal(await (await answer).text(), 'served');
    assert.equal(again.child.exitCode, null);
  });
});
