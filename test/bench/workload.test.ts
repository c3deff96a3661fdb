import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { freePort } from '../support/freePort.ts';
import { root } from '../support/provisioned.ts';
import { eventually } from '../system/labFixture.ts';

interface Report {
  readonly pid: number;
  readonly rss: number;
  readonly pages: number;
  readonly start: number;
  readonly beats: readonly number[];
}

describe('the program that is measured', function () {
  this.timeout(30_000);
  let child: ChildProcess | undefined;
  let port = 0;

  async function ask<T>(command: string): Promise<T> {
    const socket = connect(port, '127.0.0.1');
    socket.write(`${command}\n`);
    return JSON.parse(await text(socket)) as T;
  }

  /** Starts it with a heap that stands still. */
  async function start(megabytes: number): Promise<Report> {
    port = await freePort();
    const words = [port, megabytes, 0].map(String);
    child = spawn(process.execPath, [join(root, 'bench/workload.cjs'), ...words]);
    return eventually(() => ask<Report>('report 0'), 'it answers');
  }

  afterEach(() => {
    child?.kill('SIGKILL');
    child = undefined;
  });

  it('is as large as it is asked to be, most of it its heap', async () => {
    const { rss, pages } = await start(150);
    assert.ok(Math.abs(rss - 150 * 2 ** 20) < 15 * 2 ** 20, `${String(rss)} bytes resident`);
    assert.ok(pages * 4096 > 75 * 2 ** 20, `${String(pages)} pages`);
  });

  it('beats by the wall clock, and tells the beats since a moment with the one before it', async () => {
    const { start: first } = await start(60);
    const since = first + 500;
    const { start: begin, beats } = await eventually(async () => {
      const report = await ask<Report>(`report ${String(since)}`);
      return report.start + (report.beats.at(-1) ?? 0) > since + 500 ? report : undefined;
    }, 'a second of beats');
    assert.ok(begin < since && begin + (beats[1] ?? 0) >= since);
    assert.ok(begin + (beats.at(-1) ?? 0) <= Date.now());
    assert.ok(beats.length > 50, `${String(beats.length)} beats`);
  });

  it('changes what it is told to, and finds a heap that is not as written', async () => {
    const { pages, pid } = await start(80);
    assert.deepEqual(await ask('change 10'), { pages: Math.round(pages / 10) });
    assert.deepEqual(await ask('verify'), { pages, broken: 0 });
    const broken = await spoilOnePage(pid);
    assert.equal(broken, 1);
    assert.deepEqual(await ask('verify'), { pages, broken: 1 });
  });
});

/** Overwrites a record in the memory of a process from outside. @returns how many it found and spoilt */
async function spoilOnePage(pid: number): Promise<number> {
  const script = [
    'import re, sys',
    'memory = open(f"/proc/{sys.argv[1]}/mem", "r+b", buffering=0)',
    'for line in open(f"/proc/{sys.argv[1]}/maps"):',
    '    fields = line.split()',
    '    if fields[1][:2] != "rw" or len(fields) != 5: continue',
    '    begin, end = (int(part, 16) for part in fields[0].split("-"))',
    '    memory.seek(begin)',
    '    at = re.search(rb"(?:\\{\\"order\\".{56}){8}", memory.read(end - begin), re.DOTALL)',
    // The templates themselves are one record each: eight in a row are a page's.
    '    if at is None: continue',
    '    memory.seek(begin + at.start() + 2)',
    '    memory.write(b"spoilt")',
    '    print(1)',
    '    break',
  ].join('\n');
  const python = spawn('python3', ['-c', script, String(pid)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return Number(await text(python.stdout));
}
