import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listCandidates } from '../../../agent/processes/candidates.ts';
import {
  displayName,
  isHost,
  isInteractiveShell,
  scriptOf,
} from '../../../agent/processes/hosts.ts';
import {
  descendants,
  listeningPorts,
  nodesOf,
  readTree,
  treeRss,
} from '../../../agent/processes/tree.ts';
import { parseStat, type ProcessStat } from '../../../agent/procfs/stat.ts';

const server = `
const child = require('child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
require('http').createServer((_, answer) => answer.end()).listen(0, '127.0.0.1', () => { require('fs').writeFileSync('ready.new', String(process.pid)); require('fs').renameSync('ready.new', 'ready'); });
process.on('SIGTERM', () => { child.kill('SIGKILL'); process.exit(0); });
`;

describe('process trees', function () {
  this.timeout(60_000);
  let folder: string;
  let app: { readonly pid: number };
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'flick-tree-'));
    writeFileSync(join(folder, 'my server.js'), server);
    // Left behind by its shell, as a daemon is: what the agent itself starts is never offered.
    spawn(
      'setsid',
      ['sh', '-c', '"$0" "my server.js" </dev/null >/dev/null 2>&1 &', process.execPath],
      {
        cwd: folder,
        stdio: 'ignore',
      },
    );
    while (!existsSync(join(folder, 'ready'))) await new Promise((done) => setTimeout(done, 25));
    app = { pid: Number(readFileSync(join(folder, 'ready'), 'utf8')) };
  });
  after(() => {
    process.kill(app.pid, 'SIGTERM');
    rmSync(folder, { recursive: true });
  });

  it('reads a tree with threads, memory and ports', async () => {
    const tree = await readTree(app.pid);
    assert.equal(tree?.processes.length, 2);
    assert.ok(tree.root.threads.length > 1);
    assert.ok(treeRss(tree) > 20e6);
    const [node] = nodesOf(tree);
    assert.equal(node?.command, `${process.execPath} my server.js`);
    assert.equal(node.children.length, 1);
    const [port, ...more] = await listeningPorts(tree);
    assert.equal(port?.protocol, 'tcp');
    assert.equal(port.address, '127.0.0.1');
    assert.deepEqual(more, []);
  });

  it('knows when there is no such process', async () => {
    assert.equal(await readTree(4_194_303), undefined);
  });

  it('does not go in circles on a table of reused PIDs', () => {
    const stat = (pid: number, parent: number): ProcessStat => {
      const parsed = parseStat(
        `${pid} (x) S ${parent} 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0 0`,
      );
      assert.ok(parsed !== undefined);
      return parsed;
    };
    const table = new Map([
      [1, stat(1, 3)],
      [2, stat(2, 1)],
      [3, stat(3, 2)],
    ]);
    assert.deepEqual(
      descendants(table, 1).map((each) => each.pid),
      [1, 2, 3],
    );
  });

  it('offers servers first, by the name of their script', async () => {
    const candidates = await listCandidates();
    const found = candidates.find((each) => each.pid === app.pid);
    assert.equal(found?.name, 'my server.js');
    assert.equal(found.tree.length, 1);
    assert.equal(found.ports.length, 1);
    assert.ok(found.uptimeMs < 60_000);
    const firstWithout = candidates.findIndex((each) => each.ports.length === 0);
    const lastWith = candidates.findLastIndex((each) => each.ports.length > 0);
    assert.ok(firstWithout < 0 || lastWith < firstWithout);
    assert.ok(!candidates.some((each) => each.pid === process.pid));
    assert.ok(!candidates.some((each) => each.pid === 1));
  });

  it('leaves out what is managed, and other users', async () => {
    const without = await listCandidates({ excluded: [app.pid] });
    assert.ok(!without.some((each) => each.pid === app.pid));
    const stranger = await listCandidates({ uid: 54_321 });
    assert.deepEqual(stranger, []);
  });

  it('leaves out what a keeper holds', async () => {
    const cell = mkdtempSync(join(tmpdir(), 'flick-keeper-'));
    const script = join(cell, 'flick-keeper');
    writeFileSync(script, '#!/bin/sh\nsetsid sleep 1234 &\ntouch ready\nwait\n', { mode: 0o755 });
    const keeper = spawn(script, { cwd: cell, detached: true, stdio: 'ignore' });
    try {
      while (!existsSync(join(cell, 'ready'))) await new Promise((done) => setTimeout(done, 25));
      await new Promise((done) => setTimeout(done, 200));
      const candidates = await listCandidates();
      assert.ok(!candidates.some((each) => each.command.includes('sleep 1234')));
      assert.ok(!candidates.some((each) => each.pid === keeper.pid));
    } finally {
      const tree = await readTree(keeper.pid ?? 0);
      for (const each of tree?.processes ?? []) process.kill(each.pid, 'SIGKILL');
      rmSync(cell, { recursive: true });
    }
  });
});

describe('telling programs apart', () => {
  const program = (...args: string[]): { comm: string; args: string[] } => ({
    comm: (args[0] ?? '').replace(/.*\//, '').slice(0, 15),
    args,
  });

  it('shells that wait are hosts, scripts are programs', () => {
    assert.ok(isInteractiveShell(program('-bash')));
    assert.ok(isInteractiveShell(program('/bin/zsh', '-i', '-l')));
    assert.ok(!isInteractiveShell(program('bash', 'run.sh')));
    assert.ok(!isInteractiveShell(program('/bin/sh', '-c', 'node x')));
    assert.ok(!isInteractiveShell(program('bash', '-lc', 'node x')));
    assert.ok(isHost(program('sshd: dev@pts/0')));
    assert.ok(isHost(program('tmux: server')) || isHost({ comm: 'tmux: server', args: ['tmux'] }));
    assert.ok(
      isHost(
        program('/home/u/.vscode-server/bin/1/node', '/home/u/.vscode-server/out/server-main.js'),
      ),
    );
    assert.ok(!isHost(program('node', 'app.js')));
  });

  it('names programs as people do', () => {
    assert.equal(displayName(program('/usr/bin/node', '--inspect', 'src/app.js')), 'app.js');
    assert.equal(displayName(program('node', '-r', 'tsx', 'app.ts')), 'app.ts');
    assert.equal(displayName(program('python3', '-m', 'http.server')), 'python3');
    assert.equal(displayName(program('nginx: master process nginx')), 'nginx');
    assert.equal(displayName(program('/usr/bin/redis-server', '*:6379')), 'redis-server');
    assert.equal(scriptOf(program('node', '-e', 'x')), undefined);
    assert.equal(scriptOf(program('python3', '-u', 'a.py', '-m')), 'a.py');
    assert.equal(scriptOf(program('sleep', '10')), undefined);
  });
});
