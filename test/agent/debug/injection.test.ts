import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Device } from '../../../client/device.ts';
import {
  adoptProcess,
  attachDebugger,
  FlickError,
  launchProcess,
  listDebuggees,
  openTerminal,
  signalProcess,
  type ProcessInfo,
} from '../../../protocol/index.ts';
import { withInspector } from '../../../agent/debug/injection.ts';
import { debugFolder } from '../../../agent/debug/place.ts';
import { Deferred } from '../../../common/deferred.ts';
import { readLine, writeLine } from '../../../common/lines.ts';
import { makeLocalFleet, type LocalFleet } from '../../client/localFleet.ts';
import { requireRoot, root } from '../../support/provisioned.ts';

const hello = { flick: 'debug', version: 1, mode: 'cdp', token: null, received: 0, graceMs: 0 };

describe('attaching to a process that nobody prepared', function () {
  this.timeout(120_000);
  let lab: LocalFleet;
  let device: Device;
  const children: ChildProcess[] = [];

  before(async function () {
    requireRoot(this);
    lab = await makeLocalFleet(['alpha']);
    device = lab.device('alpha');
    await device.connect();
  });
  after(async () => {
    for (const each of children) each.kill('SIGKILL');
    await lab.dispose();
  });

  async function launch(command: string[]): Promise<ProcessInfo> {
    return (await device.request(launchProcess, { command })).process;
  }

  /** Starts a program and waits until it has said that it is ready. */
  async function program(source: string, node = process.execPath): Promise<ProcessInfo> {
    const path = join(lab.folder, `program-${children.length}-${Date.now()}.js`);
    writeFileSync(path, source);
    const started = await launch([node, path]);
    await said(started.id, 'ready');
    return started;
  }

  /** All output, once the text is in it. A stream that ends as the process does is opened again, as viewers do. */
  async function said(id: string, text: string): Promise<string> {
    const deadline = Date.now() + 30_000;
    for (;;) {
      const { ticket } = await device.request(openTerminal, { id, follow: true });
      const stream = await device.openStream(ticket);
      let output = '';
      for await (const chunk of stream) {
        output += String(chunk);
        if (output.includes(text)) break;
      }
      stream.destroy();
      if (output.includes(text)) return output;
      assert.ok(Date.now() < deadline, `“${text}” was not said, but: ${output}`);
    }
  }

  async function attach(id: string, innerPid?: number): Promise<{ close: () => Promise<void> }> {
    const answer = await device.request(attachDebugger, {
      id,
      ...(innerPid === undefined ? {} : { innerPid }),
    });
    const stream = await device.openStream(answer.ticket);
    writeLine(stream, hello);
    const welcome = JSON.parse(await readLine(stream)) as { ok: boolean; pid: number };
    assert.deepEqual([welcome.ok, welcome.pid], [true, answer.debuggee.innerPid]);
    return {
      close: async () => {
        const closed = once(stream, 'close');
        stream.resume();
        stream.destroy();
        await closed;
      },
    };
  }

  async function refusal(id: string, innerPid?: number): Promise<FlickError> {
    try {
      await attach(id, innerPid);
    } catch (error) {
      assert.ok(error instanceof FlickError, String(error));
      return error;
    }
    throw new Error('It was not refused.');
  }

  /** Waits until a process has no more threads (`task`) or descriptors (`fd`) than so many. */
  async function noMoreThan(count: number, what: 'task' | 'fd', pid: number): Promise<void> {
    const now = (): number => readdirSync(`/proc/${pid}/${what}`).length;
    const deadline = Date.now() + 20_000;
    while (now() > count && Date.now() < deadline) await delay(20);
    assert.ok(now() <= count, `${now()} of ${what}, not ${count}`);
  }

  for (const node of ['20', '22', '24', '26']) {
    it(`works in Node.js ${node}, leaves nothing behind, and says nothing on the terminal`, async function () {
      const own = join(root, '.cache/node', node, 'bin/node');
      const path = existsSync(own) ? own : process.execPath;
      const info = await program(
        `console.log('ready'); let n = 0; setInterval(() => { n += 1; }, 5);
         process.on('SIGTERM', () => { console.log('over'); process.exit(); });`,
        path,
      );
      const pid = info.pid ?? 0;
      const threads = readdirSync(`/proc/${pid}/task`).length;
      const first = await attach(info.id);
      await first.close();
      await noMoreThan(threads, 'task', pid);
      const descriptors = readdirSync(`/proc/${pid}/fd`).length;
      const second = await attach(info.id);
      await second.close();
      await noMoreThan(threads, 'task', pid);
      await noMoreThan(descriptors, 'fd', pid);
      assert.equal(existsSync(debugFolder(info.id)), false);
      await device.request(signalProcess, { id: info.id, signal: 'SIGTERM' });
      const output = await said(info.id, 'over');
      assert.equal(output.replaceAll('\r', ''), 'ready\nover\n');
    });
  }

  it('waits for a process that has only just been started', async () => {
    for (let round = 0; round < 3; round += 1) {
      const { id } = await launch([process.execPath, '-e', 'setInterval(() => {}, 1000)']);
      await (await attach(id)).close();
      await device.request(signalProcess, { id, signal: 'SIGKILL' });
    }
  });

  it('works while the main thread spins, and in an ES module', async () => {
    const spinning = await program(`console.log('ready'); for (;;) {}`);
    await (await attach(spinning.id)).close();
    const path = join(lab.folder, 'module.mjs');
    writeFileSync(path, `console.log('ready'); setInterval(() => {}, 1000);`);
    const module = await launch([process.execPath, path]);
    await said(module.id, 'ready');
    await (await attach(module.id)).close();
  });

  it('finds the right process when the port belongs to another one', async () => {
    const other = createServer().listen(9229, '127.0.0.1');
    await once(other, 'listening');
    try {
      const info = await program(`console.log('ready'); setInterval(() => {}, 1000);`);
      await (await attach(info.id)).close();
    } finally {
      other.close();
    }
  });

  it('opens the inspectors of several processes at once, of which one only gets the usual port', async () => {
    const path = join(lab.folder, 'several.js');
    writeFileSync(path, `console.log('ready'); setInterval(() => {}, 1000);`);
    for (let round = 0; round < 3; round += 1) {
      const several = Array.from({ length: 4 }, () =>
        spawn(process.execPath, [path], { stdio: ['ignore', 'pipe', 'pipe'] }),
      );
      children.push(...several);
      const errors = several.map((child) => {
        let text = '';
        child.stderr.on('data', (chunk) => (text += String(chunk)));
        return () => text;
      });
      await Promise.all(several.map(({ stdout }) => once(stdout, 'data')));
      const ports = new Set<number>();
      const allOpen = new Deferred<undefined>();
      const opened = several.map(({ pid = 0 }) =>
        withInspector({ pid, innerPid: pid, command: 'one of several' }, async ({ port }) => {
          ports.add(port);
          if (ports.size === several.length) allOpen.resolve(undefined);
          await allOpen.promise;
        }),
      );
      await Promise.all(opened);
      for (const child of several) child.kill('SIGKILL');
      for (const said of errors) assert.doesNotMatch(said(), /failed/);
    }
  });

  it('uses an inspector that is open already, and leaves it open', async () => {
    const info = await launch([
      process.execPath,
      '--inspect=127.0.0.1:0',
      '-e',
      `console.log('ready'); setInterval(() => {}, 1000)`,
    ]);
    await said(info.id, 'ready');
    await (await attach(info.id)).close();
    const output = await said(info.id, 'ready');
    const url = /ws:\/\/(127\.0\.0\.1:\d+)/.exec(output)?.[1] ?? '';
    const answer = await fetch(`http://${url}/json/list`);
    assert.equal(answer.status, 200);
  });

  it('asks no server of the program', async () => {
    const { id } = await program(
      `require('node:net').createServer(() => console.log('asked')).listen(0, () => console.log('ready'));`,
    );
    await (await attach(id)).close();
    await device.request(signalProcess, { id, signal: 'SIGKILL' });
    assert.doesNotMatch(await said(id, 'ready'), /asked/);
  });

  it('uses an inspector that the program has opened by itself on some port', async () => {
    const { id } = await program(
      `require('node:inspector').open(0, '127.0.0.1'); console.log('ready'); setInterval(() => {}, 1000);`,
    );
    await (await attach(id)).close();
    await device.request(signalProcess, { id, signal: 'SIGKILL' });
  });

  it('respects a program that listens to SIGUSR1 itself', async () => {
    const info = await program(
      `process.on('SIGUSR1', () => console.log('mine')); console.log('ready'); setInterval(() => {}, 1000);`,
    );
    const error = await refusal(info.id);
    assert.match(error.message, /listens to SIGUSR1 itself/);
    assert.match(error.remedy ?? '', /Start it for debugging/);
    await device.request(signalProcess, { id: info.id, signal: 'SIGUSR1' });
    const output = await said(info.id, 'mine');
    assert.equal(output.match(/mine/g)?.length, 1);
  });

  it('refuses what is not Node.js, and says what can be done', async () => {
    const info = await launch(['sleep', '1000']);
    const error = await refusal(info.id);
    assert.match(error.message, /runs no Node\.js/);
    assert.match(error.remedy ?? '', /can be moved all the same/);
    assert.deepEqual((await device.request(listDebuggees, { id: info.id })).debuggees, []);
  });

  it('refuses a process that has ended, or ends meanwhile', async () => {
    for (const life of [0, 10, 20, 40, 80, 160]) {
      const info = await launch([process.execPath, '-e', `setTimeout(() => {}, ${life})`]);
      const gone = await device.request(attachDebugger, { id: info.id }).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (gone === undefined) continue;
      assert.ok(gone instanceof FlickError, String(gone));
      assert.match(
        gone.message,
        /does not run any more|runs no Node\.js|ended meanwhile|just ending|SIGUSR1/,
        `after ${life} ms: ${gone.message}`,
      );
    }
  });

  it('leaves a process alone that is just ending', async () => {
    const path = join(lab.folder, 'ending.js');
    // What it has to give back takes its time.
    writeFileSync(
      path,
      `globalThis.kept = Array.from({ length: 400000 }, (_, i) => ({ i, text: 'x' + i }));
       setTimeout(() => console.log('ready'), 50);`,
    );
    for (const ms of [1, 4]) {
      const child = spawn(process.execPath, [path], { stdio: ['ignore', 'pipe', 'ignore'] });
      children.push(child);
      const ended = once(child, 'exit');
      await once(child.stdout, 'data');
      await delay(ms);
      const pid = child.pid ?? 0;
      const opened = withInspector({ pid, innerPid: pid, command: 'ending' }, () =>
        Promise.resolve(),
      ).catch((error: unknown) => {
        assert.ok(error instanceof FlickError && error.reason === 'processGone', String(error));
      });
      assert.deepEqual(await ended, [0, null]);
      await opened;
    }
  });

  it('finds Node.js below a shell, and the one that is asked for among several', async () => {
    const path = join(lab.folder, 'two.js');
    writeFileSync(
      path,
      `if (process.argv[2] !== 'child') require('node:child_process').fork(__filename, ['child']).on('spawn', () => setTimeout(() => console.log('ready'), 300));
       setInterval(() => {}, 1000);`,
    );
    const info = await launch(['sh', '-c', `${process.execPath} ${path}; true`]);
    await said(info.id, 'ready');
    const { debuggees } = await device.request(listDebuggees, { id: info.id });
    assert.equal(debuggees.length, 2);
    assert.match(debuggees[1]?.command ?? '', /child$/);
    await (await attach(info.id, debuggees[1]?.innerPid)).close();
    const error = await refusal(info.id, 999_999);
    assert.match(error.message, /has no Node\.js process 999999/);
  });

  it('gives up on a process that is blocked in a child, and closes what opens later', async () => {
    const go = join(lab.folder, 'go');
    const info = await program(
      // Its child says so: before that the program is not blocked yet.
      `require('node:child_process').execSync('echo ready; until [ -e ${go} ]; do sleep 0.1; done', { stdio: 'inherit' }); console.log('again'); setInterval(() => {}, 1000);`,
    );
    const error = await refusal(info.id);
    assert.match(error.message, /did not open its debugger/);
    writeFileSync(go, '');
    await said(info.id, 'again');
    const deadline = Date.now() + 20_000;
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, 300));
      const info2 = (await device.listProcesses()).find((each) => each.id === info.id);
      if (info2?.ports.length === 0) break;
      assert.ok(Date.now() < deadline, 'the inspector is closed again');
    }
  });

  it('says nothing on the terminal either where the program takes seconds to open it', async () => {
    for (let round = 0; ; round += 1) {
      const go = join(lab.folder, `go-on-${round}`);
      const info = await program(
        `process.on('SIGTERM', () => { console.log('over'); process.exit(); });
         require('node:child_process').execSync('echo ready; until [ -e ${go} ]; do sleep 0.1; done', { stdio: 'inherit' });
         setInterval(() => {}, 1000);`,
      );
      const attaching = attach(info.id).catch((error: unknown) => error as FlickError);
      await delay(2_400);
      writeFileSync(go, '');
      const attached = await attaching;
      // On a busy machine it may come too late for whoever waits.
      if (attached instanceof Error && round < 5) continue;
      if (attached instanceof Error) throw attached;
      await attached.close();
      await device.request(signalProcess, { id: info.id, signal: 'SIGTERM' });
      const output = await said(info.id, 'over');
      assert.equal(output.replaceAll('\r', ''), 'ready\nover\n');
      return;
    }
  });

  it('adopts and attaches to a process of the device', async () => {
    const ready = join(lab.folder, 'ready');
    const source = `require('node:fs').writeFileSync('${ready}', ''); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['-e', source], { stdio: 'ignore' });
    children.push(child);
    while (!existsSync(ready)) await delay(20);
    const { process: info } = await device.request(adoptProcess, { pid: child.pid ?? 0 });
    await (await attach(info.id)).close();
    assert.equal(child.exitCode, null);
  });

  it('survives a client that goes away at every step of the greeting', async () => {
    const info = await program(`console.log('ready'); setInterval(() => {}, 1000);`);
    const line = `${JSON.stringify(hello)}\n`;
    for (const sent of ['', line.slice(0, 10), 'not JSON\n', '{"flick":"debug"}\n', line]) {
      const { ticket } = await device.request(attachDebugger, { id: info.id });
      const stream = await device.openStream(ticket);
      stream.write(sent);
      await new Promise((resolve) => setTimeout(resolve, 20));
      stream.destroy();
    }
    // The runtime may be leaving, since nobody is left: whoever meets it then comes again, as every debugger of ours does.
    const deadline = Date.now() + 30_000;
    for (;;) {
      const again = await attach(info.id).catch((error: unknown) => {
        if (Date.now() > deadline) throw error;
      });
      if (again === undefined) continue;
      await again.close();
      break;
    }
  });
});
