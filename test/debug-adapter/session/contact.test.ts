import assert from 'node:assert/strict';
import { RuntimeConnection } from '../../../debug-adapter/runtimeConnection.ts';
import { abilities, Conversation } from './conversation.ts';
import { openScene, type Scene } from './scene.ts';

const program = `
globalThis.count = 0;
setInterval(() => {
  count += 1; // beat
}, 20);
`;

describe('contact between an editor and a process', () => {
  let scene: Scene;

  beforeEach(async () => {
    scene = await openScene(program, '20');
  });
  afterEach(() => scene.end());

  it('shows that attaching takes long, and gives it up when the editor says so', async () => {
    const { debuggee, talk } = scene;
    const { host } = debuggee;
    const waiting = new Conversation({
      ...host,
      link: (id, innerPid) => {
        const link = host.link(id, innerPid);
        debuggee.breakLink();
        return link;
      },
    });
    await waiting.send('initialize', abilities);
    const requestId = waiting.nextSeq;
    const attached = waiting.send('attach', { process: 'program' });
    attached.catch(() => undefined);
    const { progressId } = await waiting.event<{ progressId: string }>('progressStart');
    await waiting.send('cancel', { requestId });
    await assert.rejects(attached, /^Error: cancelled$/);
    assert.deepEqual(await waiting.event('progressEnd'), { progressId });
    waiting.dispose();
    debuggee.restoreLink();
    await talk.begin({ process: 'program' });
    await talk.send('disconnect');
  });

  it('leaves a process stopped that is to be left so, for the next one who comes', async () => {
    const { talk, debuggee } = scene;
    await talk.begin({ process: 'program' }, () => scene.breakAt('// beat'));
    await talk.event('stopped');
    await talk.send('disconnect', { suspendDebuggee: true });
    const next = new Conversation(debuggee.host);
    await next.begin({ process: 'program' });
    await next.event('stopped');
    const { body } = await next.send('evaluate', {
      expression: 'count',
      frameId: (await next.top()).id,
    });
    assert.equal((body as { result: string }).result, '0');
    await next.send('disconnect');
    next.dispose();
  });

  it('lets the process run on when the editor leaves', async () => {
    const { talk, debuggee } = scene;
    await talk.begin({ process: 'program' }, () => scene.breakAt('// beat'));
    await talk.event('stopped');
    const link = debuggee.link();
    const watcher = new RuntimeConnection(link, 60_000);
    const connected = new Promise((resolve) => watcher.onDidConnect(resolve));
    link.start();
    await connected;
    const count = async (): Promise<unknown> =>
      (await watcher.main.send('Runtime.evaluate', { expression: 'count' })).result.value;
    await talk.send('disconnect');
    while (Number(await count()) < 3) await new Promise((resolve) => setTimeout(resolve, 20));
    watcher.dispose();
  });

  it('counts lines from 0 with an editor that does', async () => {
    const { debuggee } = scene;
    const talk = new Conversation(debuggee.host);
    await talk.send('initialize', { ...abilities, linesStartAt1: false, columnsStartAt1: false });
    await talk.send('attach', { process: 'program' });
    await talk.event('initialized');
    const line = scene.line('// beat') - 1;
    const { body } = await talk.send('setBreakpoints', {
      source: { path: debuggee.script },
      breakpoints: [{ line }],
    });
    assert.equal((body as { breakpoints: { line: number }[] }).breakpoints[0]?.line, line);
    await talk.send('configurationDone');
    await talk.event('stopped');
    const top = await talk.top();
    assert.deepEqual([top.line, top.column], [line, 2]);
    talk.dispose();
  });
});
