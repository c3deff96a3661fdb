import assert from 'node:assert/strict';
import { assertGolden } from './golden.ts';
import { openScene, requireNode, versions, type Scene } from './scene.ts';

const program = `
const settings = { colour: 'red', size: 3, nested: { deep: true } };
let touched = 0;
function touch() {
  touched += 1;
  return touched;
}
function paint(colour, count) {
  const doubled = count * 2;
  return colour.repeat(doubled); // in paint
}
globalThis.settings = settings;
globalThis.change = touch;
setInterval(() => paint(settings.colour, 1), 20);
console.log('ready');
`;

for (const node of versions) {
  describe(`evaluating in Node.js ${node}`, () => {
    let scene: Scene;

    before(function () {
      requireNode(this, node);
    });
    beforeEach(async () => {
      scene = await openScene(program, node);
    });
    afterEach(() => scene.end());

    async function stopInPaint(): Promise<number> {
      await scene.talk.begin({ process: 'program' }, () => scene.breakAt('in paint'));
      await scene.talk.event('stopped');
      return (await scene.talk.top()).id;
    }

    it('answers on a frame as each place of the editor expects', async () => {
      const { talk } = scene;
      const frameId = await stopInPaint();
      const evaluate = (expression: string, context: string): Promise<unknown> =>
        talk.ask('evaluate', { expression, context, frameId });
      await evaluate('doubled + 1', 'watch');
      await evaluate('colour', 'hover');
      await talk.askInVain('evaluate', { expression: 'change()', context: 'hover', frameId });
      await talk.askInVain('evaluate', { expression: 'missing', context: 'watch', frameId });
      await evaluate('change()', 'repl');
      await evaluate('colour', 'clipboard');
      await evaluate('const sum = doubled +\\n  40;\\nsum'.replaceAll('\\n', '\n'), 'repl');
      await evaluate('{ one: 1 }', 'repl');
      await evaluate('missing.size', 'repl');
      const { targets } = await talk.ask<{ targets: { label: string }[] }>('completions', {
        text: 'dou',
        column: 4,
        frameId,
      });
      assert.deepEqual(
        targets.map(({ label }) => label),
        ['doubled'],
      );
      await talk.ask('completions', { text: 'settings.c', column: 11, frameId });
      assertGolden('evaluation', talk.transcript);
    });

    it('shows what was thrown with its stack, and refuses frames that are gone', async () => {
      const { talk } = scene;
      const frameId = await stopInPaint();
      const thrown = await talk.send('evaluate', {
        expression: 'null.size',
        context: 'repl',
        frameId,
      });
      const { result } = thrown.body as { result: string };
      assert.match(result, /^Uncaught TypeError: Cannot read properties of null[^]*\n +at paint/);
      await talk.ask('continue', { threadId: 1 });
      await talk.event('stopped');
      await talk.askInVain('evaluate', { expression: 'doubled', context: 'watch', frameId });
      await talk.askInVain('scopes', { frameId });
      assertGolden('goneFrames', talk.transcript);
    });

    it('evaluates in the running program, with await and require', async () => {
      const { talk } = scene;
      await talk.begin({ process: 'program' });
      await talk.output(/ready/);
      const evaluate = (expression: string): Promise<unknown> =>
        talk.ask('evaluate', { expression, context: 'repl' });
      await evaluate('await Promise.resolve(settings.size + 1)');
      await evaluate('let again = 1; again');
      await evaluate('let again = 2; again');
      await evaluate("require('node:path').basename('/one/two')");
      assertGolden('evaluationWhileRunning', talk.transcript);
    });

    it('ends an evaluation that is taken back, and the program goes on', async () => {
      const { talk } = scene;
      const frameId = await stopInPaint();
      const requestId = talk.nextSeq;
      const endless = talk.send('evaluate', {
        expression: 'for (;;) {}',
        context: 'repl',
        frameId,
      });
      await talk.send('cancel', { requestId });
      await assert.rejects(endless, /^Error: cancelled$/);
      const { body } = await talk.send('evaluate', {
        expression: '1 + 1',
        context: 'watch',
        frameId,
      });
      assert.equal((body as { result: string }).result, '2');
      await talk.ask('continue', { threadId: 1 });
      await talk.event('stopped');
    });

    it('leaves the program alone when something that awaits is taken back', async () => {
      const { talk } = scene;
      await talk.begin({ process: 'program' });
      const requestId = talk.nextSeq;
      const never = talk.send('evaluate', {
        expression: 'await new Promise(() => {})',
        context: 'repl',
      });
      await talk.send('cancel', { requestId });
      await assert.rejects(never, /^Error: cancelled$/);
      await scene.breakAt('in paint');
      await talk.event('stopped');
      assert.equal(scene.debuggee.child.exitCode, null);
    });

    it('cuts a value of a hundred million characters and says so', async () => {
      const { talk } = scene;
      const frameId = await stopInPaint();
      const { body } = await talk.send('evaluate', {
        expression: "'x'.repeat(100_000_000)",
        context: 'repl',
        frameId,
      });
      const { result } = body as { result: string };
      assert.ok(result.length < 2_000_000, `${result.length} characters came`);
      assert.doesNotMatch(result.slice(-40), /x"$/, 'nothing says that it was cut');
    });
  });
}
