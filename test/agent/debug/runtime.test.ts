import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import type { CdpThread } from '../../../debug-adapter/cdp.ts';
import { RuntimeConnection } from '../../../debug-adapter/runtimeConnection.ts';
import type { Event } from '../../../common/event.ts';
import { LocalDebuggee, type LocalLink } from '../../debug-adapter/support/localDebuggee.ts';
import { root } from '../../support/provisioned.ts';
import { skip } from '../../support/skip.ts';
import { join } from 'node:path';

const counting = `
let total = 0;
function add(amount) {
  const before = total;
  total += amount; // line 5
  return before;
}
setInterval(() => add(2), 20);
`;

for (const node of ['20', '22', '24', '26'] as const) {
  describe(`the debug runtime in Node.js ${node}`, function () {
    this.timeout(90_000);
    let debuggee: LocalDebuggee;
    let link: LocalLink;
    let connection: RuntimeConnection;
    let main: CdpThread;

    before(function () {
      if (node !== '20' && !existsSync(join(root, '.cache/node', node))) {
        skip(this, `Node.js ${node} is not there`);
      }
    });

    async function begin(source: string, graceMs = 60_000): Promise<void> {
      debuggee = await LocalDebuggee.start(source, { node });
      link = debuggee.link();
      connection = new RuntimeConnection(link, graceMs);
      const welcomed = next(connection.onDidConnect);
      link.start();
      assert.equal((await welcomed).waiting, true);
      main = connection.main;
      await main.send('Debugger.enable', {});
    }

    afterEach(async () => {
      connection.dispose();
      await debuggee.dispose();
    });

    const url = (): string => `file://${debuggee.script}`;

    it('stops at a breakpoint that was set before the first line, with the variables at hand', async () => {
      await begin(counting);
      await main.send('Flick.setBreakpointByUrl', {
        url: url(),
        lineNumber: 4,
        condition: 'total === 4',
      });
      const stop = next(main.on('Flick.paused'));
      await main.send('Flick.start');
      const { paused, scopes } = await stop;
      assert.equal(paused.callFrames[0]?.functionName, 'add');
      const local = paused.callFrames[0]?.scopeChain[0]?.object.objectId ?? '';
      const values = scopes[local]?.result.map(({ name, value }) => [name, value?.value]);
      assert.deepEqual(values, [
        ['amount', 2],
        ['before', 4],
      ]);
    });

    it('keeps the stop, its frames and objects when the link breaks, and steps once', async () => {
      await begin(counting);
      await main.send('Flick.setBreakpointByUrl', { url: url(), lineNumber: 4 });
      const stop = next(main.on('Flick.paused'));
      await main.send('Flick.start');
      const { paused } = await stop;
      const frame = paused.callFrames[0];
      assert.ok(frame);
      link.break(undefined);
      await new Promise((resolve) => setTimeout(resolve, 100));
      const stepped = next(main.on('Flick.paused'));
      const value = main.send('Debugger.evaluateOnCallFrame', {
        callFrameId: frame.callFrameId,
        expression: 'amount = 40',
      });
      const step = main.send('Debugger.stepOver', {});
      link.restore();
      assert.equal((await value).result.value, 40);
      await step;
      const { paused: after } = await stepped;
      assert.equal(after.callFrames[0]?.location.lineNumber, 5);
      const { result } = await main.send('Debugger.evaluateOnCallFrame', {
        callFrameId: after.callFrames[0]?.callFrameId ?? '',
        expression: 'total',
      });
      assert.equal(result.value, 40);
    });

    it('counts hits and logs without stopping, also under a step', async () => {
      await begin(`
function inner(n) {
  return n + 1; // line 3
}
let n = 0;
function outer() {
  debugger;
  n = inner(n);
  return n; // line 9
}
setTimeout(outer, 50);
setInterval(() => 0, 1000);
`);
      await main.send('Flick.setBreakpointByUrl', {
        url: url(),
        lineNumber: 2,
        action: { log: '`n is ${n}`' },
      });
      const logged = next(main.on('Flick.logged'));
      let stop = next(main.on('Flick.paused'));
      await main.send('Flick.start');
      assert.equal((await stop).paused.callFrames[0]?.location.lineNumber, 6);
      stop = next(main.on('Flick.paused'));
      await main.send('Debugger.stepOver', {});
      assert.equal((await stop).paused.callFrames[0]?.location.lineNumber, 7);
      stop = next(main.on('Flick.paused'));
      await main.send('Debugger.stepOver', {});
      const after = (await stop).paused.callFrames[0];
      assert.deepEqual([after?.functionName, after?.location.lineNumber], ['outer', 8]);
      assert.equal((await logged).text, 'n is 0');
    });

    it('loses no step when breakpoints of the function change right after it', async () => {
      await begin(counting);
      let stop = next(main.on('Flick.paused'));
      const set = (lineNumber: number): Promise<{ breakpointId: string }> =>
        main.send('Flick.setBreakpointByUrl', { url: url(), lineNumber });
      await set(3);
      const { breakpointId } = await set(4);
      await main.send('Flick.start');
      await stop;
      stop = next(main.on('Flick.paused'));
      await Promise.all([
        main.send('Debugger.stepOver', {}),
        set(5),
        main.send('Debugger.removeBreakpoint', { breakpointId }),
      ]);
      assert.equal((await stop).paused.callFrames[0]?.location.lineNumber, 4);
      stop = next(main.on('Flick.paused'));
      await main.send('Debugger.resume', {});
      assert.equal((await stop).paused.callFrames[0]?.location.lineNumber, 5);
    });

    it('stops at the third hit, and keeps counting over a broken link', async () => {
      await begin(counting);
      await main.send('Flick.setBreakpointByUrl', {
        url: url(),
        lineNumber: 4,
        action: { hitCondition: '% 3' },
      });
      let stop = next(main.on('Flick.paused'));
      await main.send('Flick.start');
      assert.equal(localValue(await stop, 'before'), 4);
      link.break(50);
      stop = next(main.on('Flick.paused'));
      await main.send('Debugger.resume', {});
      assert.equal(localValue(await stop, 'before'), 10);
    });

    it('stops at exceptions that meet their condition', async () => {
      await begin(`
function fail(code) {
  const error = new Error('number ' + code);
  error.code = code;
  throw error;
}
let code = 0;
setInterval(() => { try { fail(++code); } catch {} }, 10);
`);
      await main.send('Flick.setExceptions', {
        caught: true,
        uncaught: true,
        caughtCondition: 'error.code === 3',
      });
      const stop = next(main.on('Flick.paused'));
      await main.send('Flick.start');
      assert.equal(localValue(await stop, 'code'), 3);
    });

    it('holds a script that is loaded later until breakpoints are set in it', async () => {
      await begin(`
const { writeFileSync } = require('node:fs');
const late = require('node:path').join(__dirname, 'late.js');
writeFileSync(late, 'globalThis.seen = 1;\\nglobalThis.seen = 2;\\n');
setTimeout(() => require(late), 50);
setInterval(() => 0, 1000);
`);
      await main.send('Flick.holdScripts', { names: ['late.js'], sourceMapped: false });
      const held = next(main.on('Flick.scriptHeld'));
      const scripts = new Map<string, string>();
      main.on('Debugger.scriptParsed')(({ scriptId, url: parsed }) =>
        scripts.set(scriptId, parsed),
      );
      await main.send('Flick.start');
      const { scriptId } = await held;
      assert.match(scripts.get(scriptId) ?? '', /late\.js$/);
      for (const lineNumber of [0, 1]) {
        await main.send('Debugger.setBreakpoint', { location: { scriptId, lineNumber } });
      }
      let stop = next(main.on('Flick.paused'));
      await main.send('Flick.releaseScript');
      assert.equal((await stop).paused.callFrames[0]?.location.lineNumber, 0);
      stop = next(main.on('Flick.paused'));
      await main.send('Debugger.resume', {});
      assert.equal((await stop).paused.callFrames[0]?.location.lineNumber, 1);
    });

    it('shows the worker threads of the program, not its own', async () => {
      await begin(`
const { Worker } = require('node:worker_threads');
setTimeout(() => new Worker('let n = 0; setInterval(() => { n += 1; debugger; }, 50)', { eval: true }), 50);
setInterval(() => 0, 1000);
`);
      const started = next(main.on('Flick.threadStarted'));
      await main.send('Flick.start');
      const { thread } = await started;
      const worker = connection.thread(thread);
      const stop = next(worker.on('Flick.paused'));
      await worker.send('Debugger.enable', {});
      await worker.send('Runtime.runIfWaitingForDebugger');
      const { paused } = await stop;
      const { result } = await worker.send('Debugger.evaluateOnCallFrame', {
        callFrameId: paused.callFrames[0]?.callFrameId ?? '',
        expression: 'n',
      });
      assert.equal(result.value, 1);
    });

    it('works while the main thread spins', async () => {
      await begin('let n = 0;\nfor (;;) n += 1;\n');
      await main.send('Flick.start');
      const stop = next(main.on('Flick.paused'));
      await main.send('Debugger.pause', {});
      assert.equal((await stop).paused.callFrames.length > 0, true);
    });

    it('leaves nothing behind when the last session ends', async () => {
      await begin(counting);
      await main.send('Flick.start');
      const threads = (): number => readdirSync(`/proc/${debuggee.child.pid}/task`).length;
      const during = threads();
      await main.send('Flick.leave');
      await until(() => threads() < during && !existsSync(debuggee.socket));
      assert.equal(debuggee.child.exitCode, null);
    });

    it('lets the process run on when a debugger stays away for too long', async () => {
      await begin(counting.replace('add(2)', 'add(2) % 40 || console.log(total)'), 300);
      await main.send('Flick.setBreakpointByUrl', { url: url(), lineNumber: 4 });
      const stop = next(main.on('Flick.paused'));
      await main.send('Flick.start');
      await stop;
      link.break(undefined);
      await until(() => debuggee.output.includes('82'));
    });
  });
}

async function next<T>(event: Event<T>): Promise<T> {
  return new Promise((resolve) => {
    const subscription = event((value) => {
      subscription.dispose();
      resolve(value);
    });
  });
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`It did not happen: ${String(holds)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function localValue(
  { paused, scopes }: { paused: { callFrames: unknown[] }; scopes: object },
  name: string,
): unknown {
  assert.ok(paused.callFrames.length > 0);
  const all = Object.values(scopes) as {
    result: { name: string; value?: { value?: unknown } }[];
  }[];
  return all.flatMap(({ result }) => result).find((each) => each.name === name)?.value?.value;
}
