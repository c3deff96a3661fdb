import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { hasPage, pageBytes, type PageRun } from '../../../agent/memory/chunks.ts';
import { CleanPages, DirtyPages } from '../../../agent/memory/dirtyPages.ts';
import { ProcessMemory } from '../../../agent/memory/processMemory.ts';
import { keeperBinary } from '../keeper/support.ts';
import { temporaryFolder } from '../../support/temporary.ts';
import { stop } from './stop.ts';

const anyTask = 301;

/** Writes, gives back, maps anew and moves memory, forks, and reads files into it, all the time. */
const restless = `
import ctypes, mmap, os, random, threading, time
libc = ctypes.CDLL(None, use_errno=True)
libc.mremap.restype = ctypes.c_void_p
libc.mremap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int]
blocks = [bytearray(os.urandom(1 << 20)) for _ in range(24)]
kept = mmap.mmap(-1, 8 << 20)
kept.write(os.urandom(8 << 20))
def write():
    while True:
        block = random.choice(blocks)
        block[random.randrange(len(block))] = random.randrange(256)
        time.sleep(0.0005)
threading.Thread(target=write, daemon=True).start()
print('ready', flush=True)
turn = 0
while True:
    turn += 1
    kept[random.randrange(8 << 20)] = turn & 255
    if turn % 3 == 0: kept.madvise(mmap.MADV_DONTNEED, 4096 * random.randrange(2000), 4096 * 4)
    if turn % 5 == 0: blocks[random.randrange(24)] = bytearray(os.urandom(1 << 20))
    if turn % 7 == 0:
        with open('/proc/self/exe', 'rb', buffering=0) as source: source.readinto(blocks[3])
    if turn % 11 == 0:
        if os.fork() == 0: os._exit(0)
        os.wait()
    if turn % 13 == 0:
        block = mmap.mmap(-1, 1 << 20)
        block.write(os.urandom(1 << 20))
        blocks[5] = bytearray(block)
        block.close()
    time.sleep(0.002)
`;

/** Sits in one system call after the other that a signal could interrupt, and ends when one fails. */
const sleepers = `
import os, select, sys, threading, time
a, b = os.pipe()
lock = threading.Condition()
print('ready', flush=True)
for turn in range(100000):
    before = time.monotonic()
    time.sleep(0.02)
    poll = select.poll(); poll.register(a); assert poll.poll(20) == []
    assert select.select([a], [], [], 0.02) == ([], [], [])
    with lock: lock.wait(0.02)
    assert time.monotonic() - before >= 0.08
    if turn % 4 == 0: print('turn', turn, flush=True)
`;

describe('the pages that a process writes, as the kernel says it', function () {
  this.timeout(180_000);
  let folder: ReturnType<typeof temporaryFolder>;
  const children: ChildProcess[] = [];
  const watches: DirtyPages[] = [];

  before(function () {
    folder = temporaryFolder();
    if (process.arch !== 'x64') this.skip();
  });

  after(() => folder.remove());

  afterEach(() => {
    for (const each of watches.splice(0)) each.end();
    for (const each of children.splice(0)) each.kill('SIGKILL');
  });

  async function start(command: string, args: readonly string[]): Promise<ChildProcess> {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    children.push(child);
    assert.ok(child.stdout);
    await once(child.stdout, 'data');
    return child;
  }

  async function watch(pid: number): Promise<DirtyPages> {
    const watching = await DirtyPages.watch(keeperBinary, [{ pid, task: anyTask }]);
    watches.push(watching);
    return watching;
  }

  /** Hashes of all the pages that the process has to itself, by address. */
  async function content(pid: number): Promise<Map<number, string>> {
    const memory = new ProcessMemory([{ pid, task: anyTask }]);
    const pages = new Map<number, string>();
    const page = Buffer.alloc(pageBytes);
    for (const { address, pages: count } of await memory.writtenPages()) {
      for (let at = address; at < address + count * pageBytes; at += pageBytes) {
        if (!(await memory.read(anyTask, at, page, 0, pageBytes, true))) continue;
        pages.set(at, createHash('sha1').update(page).digest('base64'));
      }
    }
    await memory.close();
    return pages;
  }

  function has(runs: readonly PageRun[], page: number): boolean {
    return runs.some(({ address, pages }) => page >= address && page < address + pages * pageBytes);
  }

  it('are all there, whatever it does with its memory, and few more', async () => {
    const { pid = 0 } = await start('python3', ['-c', restless]);
    const watching = await watch(pid);
    assert.ok((await watching.next()).length > 0);
    let said = 0;
    let changed = 0;
    for (let turn = 0; turn < 8; turn += 1) {
      await stop(pid);
      // What was written before the process stood still.
      await watching.next();
      const before = await content(pid);
      process.kill(pid, 'SIGCONT');
      await delay(60);
      await stop(pid);
      const runs = turn % 2 === 0 ? await watching.next() : await watching.last();
      const after = await content(pid);
      process.kill(pid, 'SIGCONT');
      for (const [page, hash] of after) {
        if (before.get(page) === hash) continue;
        changed += 1;
        assert.ok(has(runs, page), `page ${page.toString(16)} changed and nobody said so`);
      }
      said += runs.reduce((sum, { pages }) => sum + pages, 0);
    }
    // Some were written with what was there, or are gone again. How long it ran each time depends on the machine.
    assert.ok(
      said < changed * 2 + 2_000,
      `${String(said)} pages were said to be written, ${String(changed)} have changed`,
    );
  });

  it('are all of them once it executes another program', async () => {
    const program =
      'import os, sys; print("ready", flush=True); sys.stdin.read(1); os.execvp("sleep", ["sleep", "60"])';
    const child = await start('python3', ['-c', program]);
    const pid = child.pid ?? 0;
    const watching = await watch(pid);
    await watching.next();
    child.stdin?.end('x');
    while (!(await readFile(`/proc/${String(pid)}/cmdline`, 'utf8')).startsWith('sleep'))
      await delay(5);
    await delay(50);
    await stop(pid);
    const runs = await watching.last();
    for (const page of (await content(pid)).keys()) assert.ok(has(runs, page));
  });

  it('cost it nothing: its calls last as long as ever, and nothing stays behind', async () => {
    const { pid = 0, stdout } = await start('python3', ['-c', sleepers]);
    assert.ok(stdout);
    let turns = 0;
    stdout.on('data', () => (turns += 1));
    for (let round = 0; round < 60; round += 1) {
      const watching = await DirtyPages.watch(keeperBinary, [{ pid, task: anyTask }]);
      if (round % 2 === 0) await watching.next();
      watching.end();
    }
    const before = turns;
    await delay(800);
    assert.ok(turns > before, 'it does not go on');
    const smaps = await readFile(`/proc/${String(pid)}/smaps`, 'utf8');
    assert.doesNotMatch(smaps, /^VmFlags:.* u[mw]\b/m);
    const status = await readFile(`/proc/${String(pid)}/status`, 'utf8');
    assert.match(status, /TracerPid:\t0\n/);
  });

  it('are not known of a process that has ended', async () => {
    const child = await start('python3', ['-c', 'print("ready")']);
    await once(child, 'exit');
    await assert.rejects(watch(child.pid ?? 0), /does not say which pages are written/);
  });

  it('are not known where a disk writes into memory behind the kernel’s back', async () => {
    const file = join(folder.path, 'direct');
    await writeFile(file, Buffer.alloc(pageBytes));
    const program = `import os; os.open('${file}', os.O_RDONLY | os.O_DIRECT); print('ready', flush=True); input()`;
    const { pid = 0 } = await start('python3', ['-c', program]);
    await assert.rejects(watch(pid), /direct I\/O/);
  });
});

describe('pages that need no look', () => {
  const run = (address: number, pages: number): PageRun => ({ task: anyTask, address, pages });

  it('are those that were compared and not written since', () => {
    const clean = new CleanPages();
    clean.add({ task: anyTask, index: 1, low: 0b1111, high: 1 });
    clean.remove([run(65 * pageBytes, 2), run(96 * pageBytes, 1)]);
    const now = clean.of({ task: anyTask, index: 1 });
    const pages = [0, 1, 2, 3, 32].filter((page) => hasPage(now, page));
    assert.deepEqual(pages, [0, 3]);
    clean.add({ task: anyTask, index: 1, low: 0b10, high: 0 });
    assert.ok(hasPage(clean.of({ task: anyTask, index: 1 }), 1));
    assert.deepEqual(clean.of({ task: anyTask + 1, index: 1 }), { low: 0, high: 0 });
  });
});
