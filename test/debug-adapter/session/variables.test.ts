import assert from 'node:assert/strict';
import { assertGolden } from './golden.ts';
import { openScene, requireNode, versions, type Scene } from './scene.ts';

const program = `
function outer(limit) {
  let kept = 1;
  const bytes = new Uint8Array([1, 2, 3, 4]);
  function inner(word) {
    const pair = { left: word, right: [limit, kept] };
    kept += bytes.length; // here
    return pair;
  }
  return inner('hello');
}
function deep(depth) {
  if (depth > 0) return deep(depth - 1);
  debugger; // deep
}
outer(5);
deep(40);
setInterval(() => {}, 1000);
`;

for (const node of versions) {
  describe(`looking into a stop in Node.js ${node}`, () => {
    let scene: Scene;

    before(function () {
      requireNode(this, node);
    });
    beforeEach(async () => {
      scene = await openScene(program, node);
    });
    afterEach(() => scene.end());

    async function variablesOf(name: string, frameId: number): Promise<number> {
      const { body } = await scene.talk.send('scopes', { frameId });
      const { scopes } = body as { scopes: { name: string; variablesReference: number }[] };
      const found = scopes.find((scope) => scope.name.startsWith(name));
      assert.ok(found, `no ${name} among ${scopes.map((scope) => scope.name).join(', ')}`);
      return found.variablesReference;
    }

    it('shows scopes and variables, and changes locals, closures and expressions', async () => {
      const { talk } = scene;
      await talk.begin({ process: 'program' }, () => scene.breakAt('// here'));
      await talk.event('stopped');
      const { id: frameId } = await talk.top();
      const local = await variablesOf('Local', frameId);
      const closure = await variablesOf('Closure', frameId);
      await talk.ask('variables', { variablesReference: local });
      await talk.ask('variables', { variablesReference: closure });
      await talk.ask('setVariable', { variablesReference: local, name: 'word', value: "'bye'" });
      await talk.ask('setVariable', {
        variablesReference: closure,
        name: 'kept',
        value: 'kept + 10',
      });
      await talk.ask('setExpression', { frameId, expression: 'pair.left', value: 'word + 1' });
      await talk.ask('evaluate', { frameId, expression: 'pair' });
      await talk.ask('evaluate', { frameId, expression: 'kept' });
      await talk.askInVain('setVariable', { variablesReference: local, name: 'word', value: '(' });
      await talk.askInVain('variables', { variablesReference: 987654 });
      assertGolden('variables', talk.transcript);
    });

    it('reads and writes memory, and says what has changed', async () => {
      const { talk } = scene;
      await talk.begin({ process: 'program' }, () => scene.breakAt('// here'));
      await talk.event('stopped');
      const { id: frameId } = await talk.top();
      const { body } = await talk.send('evaluate', { frameId, expression: 'bytes' });
      const { memoryReference } = body as { memoryReference: string };
      const read = async (): Promise<number[]> => {
        const answer = await talk.send('readMemory', { memoryReference, count: 4 });
        return [...Buffer.from((answer.body as { data: string }).data, 'base64')];
      };
      assert.deepEqual(await read(), [1, 2, 3, 4]);
      const data = Buffer.from([9, 8]).toString('base64');
      await talk.send('writeMemory', { memoryReference, offset: 1, data });
      assert.deepEqual(await talk.event('memory'), { memoryReference, offset: 1, count: 2 });
      assert.deepEqual(await read(), [1, 9, 8, 4]);
    });

    it('gives a deep stack page by page', async () => {
      const { talk } = scene;
      await talk.begin({ process: 'program' });
      await talk.event('stopped');
      const page = async (startFrame: number, levels: number): Promise<string[]> => {
        const { body } = await talk.send('stackTrace', { threadId: 1, startFrame, levels });
        const { stackFrames, totalFrames } = body as {
          stackFrames: { id: number; name: string }[];
          totalFrames: number;
        };
        assert.ok(totalFrames > 41);
        return stackFrames.map(({ id, name }) => `${id} ${name}`);
      };
      const first = await page(0, 20);
      const second = await page(20, 20);
      assert.equal(first.length, 20);
      assert.deepEqual(await page(0, 40), [...first, ...second]);
      assert.ok(first.every((name) => name.endsWith(' deep')));
      assert.deepEqual(await page(10_000, 20), []);
    });
  });
}
