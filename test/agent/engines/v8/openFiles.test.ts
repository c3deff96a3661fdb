import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { captureProgram, restoreProgram } from '../../../../agent/engines/v8/index.ts';
import type { FlickError } from '../../../../protocol/index.ts';
import { temporaryFolder } from '../../../support/temporary.ts';

/** Opens what it is told, reads a part of it, and the rest when it may go on. */
const program = `
const fs = require('node:fs');
const open = {
  file: () => fs.openSync('data', 'r'),
  many: () => { for (let n = 0; n < 200; n += 1) fs.openSync('data', 'r'); return fs.openSync('data', 'r'); },
  deleted: () => { const file = fs.openSync('gone', 'w+'); fs.unlinkSync('gone'); return file; },
  pipe: () => { require('node:child_process').execFileSync('mkfifo', ['fifo']); return fs.openSync('fifo', 'r+'); },
  device: () => fs.openSync('/dev/ptmx', 'r+'),
  kernel: () => fs.openSync('/proc/self/stat', 'r'),
};
const file = open[process.argv[2]]();
const read = () => fs.readSync(file, Buffer.alloc(5));
if (/file|many/.test(process.argv[2])) read();
console.log('opened', file);
const timer = setInterval(() => {
  if (!fs.existsSync('go')) return;
  clearInterval(timer);
  console.log('goes on', read(), read(), file);
}, 20);
`;

describe('open files of a Node.js program', () => {
  const folder = temporaryFolder();
  const children: ChildProcess[] = [];
  const capsule = join(folder.path, 'capsule');
  after(() => folder.remove());
  afterEach(() => {
    for (const each of children.splice(0)) each.kill('SIGKILL');
  });

  async function until(is: () => boolean): Promise<void> {
    const deadline = Date.now() + 60_000;
    for (; !is(); await delay(5)) assert.ok(Date.now() < deadline, 'waited for in vain');
  }

  function follow(child: ChildProcess): { child: ChildProcess; said: () => string } {
    children.push(child);
    let text = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
    return { child, said: () => text };
  }

  async function start(what: string): Promise<ReturnType<typeof follow>> {
    writeFileSync(join(folder.path, 'program.cjs'), program);
    writeFileSync(join(folder.path, 'data'), 'ten bytes!');
    const own = { cwd: folder.path };
    const started = follow(spawn(process.execPath, ['program.cjs', what], own));
    await until(() => started.said().includes('opened'));
    return started;
  }

  function restore(): ReturnType<typeof follow> {
    return follow(restoreProgram({ file: capsule, node: process.execPath, stdio: 'pipe' }));
  }

  for (const [what, words] of [
    ['deleted', /the file \S+gone \(deleted\) is open, but has been deleted/],
    ['pipe', /the file \S+fifo is open, which is a pipe/],
    ['device', /the file \/dev\/ptmx is open, which is a device/],
    ['kernel', /the file \/proc\/\d+\/stat is open, which the kernel makes/],
  ] as const) {
    it(`are named where they cannot be opened again: ${what}`, async () => {
      const { child, said } = await start(what);
      const pid = child.pid ?? 0;
      await assert.rejects(
        captureProgram({ pid, file: capsule, patienceMs: 200 }),
        (error: FlickError) => error.reason === 'refused' && words.test(error.message),
      );
      assert.equal(child.exitCode, null, said());
    });
  }

  it('must be there, and long enough, where it goes on', async () => {
    const { child } = await start('file');
    await captureProgram({ pid: child.pid ?? 0, file: capsule });
    const data = join(folder.path, 'data');
    for (const [change, words] of [
      [() => truncateSync(data, 4), /data, which the program has open, is shorter on this device/],
      [() => rmSync(data), /data, which the program has open, is not on this device/],
    ] as const) {
      change();
      const failed = restore();
      const [status] = (await once(failed.child, 'close')) as [number];
      assert.equal(status, 70);
      assert.match(failed.said(), words);
    }
  });

  it('have their numbers and positions again, however many they are', async () => {
    const { child, said } = await start('many');
    const number = /opened (\d+)/.exec(said())?.[1] ?? '';
    await captureProgram({ pid: child.pid ?? 0, file: capsule });
    writeFileSync(join(folder.path, 'go'), '');
    const { child: again, said: saidThere } = restore();
    const [status] = (await once(again, 'close')) as [number];
    assert.equal(status, 0, saidThere());
    assert.equal(saidThere(), `goes on 5 0 ${number}\n`);
  });
});
