import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FlickError } from '../../../protocol/index.ts';
import { temporaryFolder } from '../../support/temporary.ts';
import { LocalDebuggee } from '../support/localDebuggee.ts';
import { abilities, Conversation } from './conversation.ts';
import { assertGolden } from './golden.ts';
import { openScene, requireNode, versions, type Scene } from './scene.ts';

const program = `
let first = 1;
process.on('SIGTERM', () => process.exit(7));
const beat = () => {
  first += 1; // beat
};
setInterval(beat, 20);
`;
const withWorker = `
const { Worker } = require('node:worker_threads');
const worker = new Worker("let n = 0; setInterval(() => { n += 1; debugger; }, 20);", { eval: true });
setInterval(() => {}, 1000);
`;

for (const node of versions) {
  describe(`a debug session in Node.js ${node}`, () => {
    let scene: Scene | undefined;

    before(function () {
      requireNode(this, node);
    });
    afterEach(async () => {
      await scene?.end();
      scene = undefined;
    });

    it('introduces itself, attaches, pauses, goes on and leaves the program running', async () => {
      scene = await openScene(program, node);
      const { talk, debuggee } = scene;
      await talk.ask('initialize', abilities);
      await talk.ask('attach', { process: 'program' });
      await talk.event('initialized');
      await talk.event('process');
      await talk.ask('configurationDone');
      await talk.ask('pause', { threadId: 1 });
      await talk.event('stopped');
      await talk.ask('pause', { threadId: 1 });
      await talk.ask('continue', { threadId: 1 });
      await talk.askInVain('continue', { threadId: 1 });
      await talk.askInVain('stackTrace', { threadId: 1 });
      await talk.ask('disconnect');
      assert.equal(debuggee.child.exitCode, null);
      assertGolden('attach', talk.transcript);
    });

    it('asks a stopped program to end, which may tidy up', async () => {
      scene = await openScene(program, node);
      const { talk } = scene;
      const { breakAt } = scene;
      await talk.begin({ process: 'program' }, () => breakAt('// beat'));
      await talk.event('stopped');
      await breakAt();
      await talk.ask('terminate');
      await talk.event('exited');
      await talk.event('terminated');
      assertGolden('terminate', talk.transcript);
    });

    it('ends a program that does not end when it is asked twice', async () => {
      scene = await openScene(
        `${program}\nprocess.removeAllListeners('SIGTERM');\nprocess.on('SIGTERM', () => {});\nconsole.log('ready');\n`,
        node,
      );
      const { talk } = scene;
      await talk.begin({ process: 'program' });
      await talk.output(/ready/);
      await talk.ask('terminate');
      await talk.ask('terminate');
      await talk.output(/SIGKILL/);
      assert.deepEqual(await talk.event('exited'), { exitCode: 137 });
      await talk.event('terminated');
    });

    it('knows the threads of the program, each with stops of its own', async () => {
      scene = await openScene(withWorker, node);
      const { talk } = scene;
      talk.hide(/\[worker \d+\]/g, '[worker]');
      await talk.begin({ process: 'program' });
      const { threadId } = await talk.event<{ threadId: number }>('thread');
      await talk.event('stopped', (body: { threadId: number }) => body.threadId === threadId);
      const { id: frameId } = await talk.top(threadId);
      const { body } = await talk.send('evaluate', { expression: 'n > 0', frameId });
      assert.equal((body as { result: string }).result, 'true');
      await talk.askInVain('next', { threadId: 1 });
      await talk.ask('next', { threadId });
      await talk.event('stopped');
      assertGolden('threads', talk.transcript);
    });

    it('launches a program, stops at its first line, starts it anew and ends it', async () => {
      const folder = temporaryFolder();
      const path = join(folder.path, 'app.js');
      mkdirSync(folder.path, { recursive: true });
      writeFileSync(
        path,
        `console.log(process.argv[2], process.env.GREETING);\nsetInterval(() => {}, 1000);\n`,
      );
      const launcher = LocalDebuggee.launcher({ node });
      const talk = new Conversation(launcher.host);
      talk.hide(path, '<app.js>');
      try {
        const configuration = {
          program: path,
          args: ['one'],
          env: { GREETING: 'hello' },
          stopOnEntry: true,
        };
        await talk.begin(configuration);
        await talk.event('stopped');
        assert.equal((await talk.top()).line, 1);
        await talk.ask('continue', { threadId: 1 });
        await talk.output(/one hello/);
        const before = launcher.started();
        await talk.ask('restart');
        await talk.event('initialized');
        await talk.ask('configurationDone');
        await talk.event('stopped');
        assert.notEqual(launcher.started(), before);
        assert.notEqual(before?.child.signalCode ?? before?.child.exitCode ?? null, null);
        await talk.ask('disconnect', { terminateDebuggee: true });
        assert.notEqual(launcher.started()?.child.signalCode ?? null, null);
        assertGolden('launch', talk.transcript);
      } finally {
        talk.dispose();
        await launcher.started()?.dispose();
        folder.remove();
      }
    });

    it('says why it cannot attach, with what to do about it', async () => {
      scene = await openScene(program, node);
      const { debuggee } = scene;
      const talk = new Conversation({
        ...debuggee.host,
        find: () =>
          Promise.reject(
            new FlickError('noSuchProcess', 'There is no process “nothing”.', {
              remedy: 'flick ps lists what there is.',
            }),
          ),
      });
      await talk.send('initialize', abilities);
      await talk.askInVain('attach', { process: 'nothing' });
      await talk.askInVain('threads');
      talk.dispose();
      assertGolden('attachInVain', talk.transcript);
    });

    it('answers what cannot be understood with a sentence, and goes on', async () => {
      scene = await openScene(program, node);
      const { talk } = scene;
      await talk.send('initialize', abilities);
      await talk.askInVain('attach', {});
      await talk.askInVain('attach', { process: 5 });
      await talk.askInVain('launch', { program: ['a'] });
      await talk.askInVain('next', { threadId: 1 });
      await talk.askInVain('toString');
      const raw = (text: string): void => {
        talk.input.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
      };
      for (const text of ['{"seq": 1,', 'null', '[]', '"text"', '{"type":"request"}', '{}']) {
        raw(text);
        await talk.event('output');
      }
      await talk.begin({ process: 'program' });
      await talk.askInVain('stackTrace', { threadId: 99 });
      await talk.askInVain('stackTrace', { threadId: 'one' });
      await talk.askInVain('scopes', { frameId: 12345 });
      await talk.askInVain('evaluate', { frameId: -1, expression: '1' });
      await talk.askInVain('evaluate', { expression: null });
      await talk.askInVain('setBreakpoints', { breakpoints: [{ line: 0 }] });
      await talk.askInVain('setBreakpoints', {
        source: { path: '/a.js' },
        breakpoints: [{ line: 'x' }],
      });
      await talk.askInVain('setExceptionBreakpoints', { filters: ['all'] });
      await talk.askInVain('attach', { process: 'again' });
      await talk.ask('threads');
      assertGolden('malformed', talk.transcript);
    });
  });
}
