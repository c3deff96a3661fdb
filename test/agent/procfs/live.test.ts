import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, unlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readArguments, readEnvironment } from '../../../agent/procfs/command.ts';
import { readDescriptorInfo, readDescriptors } from '../../../agent/procfs/descriptors.ts';
import { readInet } from '../../../agent/procfs/inet.ts';
import { readMaps } from '../../../agent/procfs/maps.ts';
import { readMounts } from '../../../agent/procfs/mounts.ts';
import { readPids, readTasks } from '../../../agent/procfs/read.ts';
import { readStat, readUptime, startTime } from '../../../agent/procfs/stat.ts';
import { readStatus } from '../../../agent/procfs/status.ts';

describe('/proc of real processes', () => {
  it('answers for this process', async () => {
    const before = process.memoryUsage.rss();
    const stat = await readStat(process.pid);
    const after = process.memoryUsage.rss();
    const status = await readStatus(process.pid);
    assert.equal(stat?.pid, process.pid);
    assert.equal(status?.uids[0], process.getuid?.());
    assert.ok((await readTasks(process.pid))?.includes(process.pid));
    assert.ok((await readPids()).includes(process.pid));
    assert.equal((await readEnvironment(process.pid))?.has('PATH'), true);
    assert.ok((await readMaps(process.pid))?.some((each) => each.name === process.execPath));
    assert.ok(stat.rssBytes > Math.min(before, after) * 0.75);
    assert.ok(stat.rssBytes < Math.max(before, after) * 1.25);
  });

  it('knows when a process started', async () => {
    const before = Date.now();
    const child = spawn('sleep', ['10'], { stdio: 'ignore' });
    const after = Date.now();
    try {
      const stat = await readStat(child.pid ?? 0);
      assert.ok(stat !== undefined);
      const started = startTime(stat.startTicks, await readUptime(), Date.now());
      // The clock goes on between the looks at it; a mistake in the units would be one of hours.
      assert.ok(started > before - 5_000 && started < after + 5_000);
      assert.deepEqual(await readArguments(stat.pid), ['sleep', '10']);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('descriptors lie on mounts of the process, and sockets are found by inode', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'flick-proc-'));
    const fd = openSync(join(folder, 'a b (deleted)'), 'w');
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    try {
      const descriptors = await readDescriptors(process.pid);
      assert.equal(
        descriptors?.find((each) => each.fd === fd)?.target,
        join(folder, 'a b (deleted)'),
      );
      unlinkSync(join(folder, 'a b (deleted)'));
      const info = await readDescriptorInfo(process.pid, fd);
      const mounts = await readMounts('self');
      assert.ok(mounts?.some((mount) => mount.id === info?.mountId));
      const address = server.address();
      const port = address !== null && typeof address === 'object' ? address.port : 0;
      const socket = (await readInet('self')).find((each) => each.localPort === port);
      assert.equal(socket?.state, 'LISTEN');
      assert.ok(descriptors.some((each) => each.target === `socket:[${socket.inode}]`));
    } finally {
      closeSync(fd);
      server.close();
      rmSync(folder, { recursive: true });
    }
  });

  it('has no answer for a process that is gone, and never throws', async () => {
    const child = spawn('true', { stdio: 'ignore' });
    const pid = child.pid ?? 0;
    await new Promise((done) => child.once('exit', done));
    assert.equal(await readStat(pid), undefined);
    assert.equal(await readStatus(pid), undefined);
    assert.equal(await readMaps(pid), undefined);
    assert.equal(await readDescriptors(pid), undefined);
    assert.equal(await readArguments(pid), undefined);
    assert.equal(await readTasks(pid), undefined);
    assert.equal(await readMounts(pid), undefined);
  });
});
