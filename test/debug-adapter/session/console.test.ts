import assert from 'node:assert/strict';
import { assertGolden } from './golden.ts';
import { openScene, requireNode, versions, type Scene } from './scene.ts';

const program = `
function speak() {
  console.log('plain', 1, true);
  console.log('%s is %d years, %o', 'Ada', 36, { born: 1815 });
  console.warn('careful');
  console.group('group');
  console.info({ a: 1 }, [1, 2]);
  console.groupEnd();
  console.assert(1 === 2, 'numbers');
}
speak();
let turn = 0;
function tick() {
  turn += 1; // tick
}
tick();
tick();
setTimeout(() => {
  throw new RangeError('too far'); // thrown
}, 10);
`;

for (const node of versions) {
  describe(`the console in Node.js ${node}`, () => {
    let scene: Scene;

    before(function () {
      requireNode(this, node);
    });
    beforeEach(async () => {
      scene = await openScene(program, node);
    });
    afterEach(() => scene.end());

    it('shows what the program prints, where, and what its log points say', async () => {
      const { talk, debuggee, line } = scene;
      await talk.begin({ process: 'program' }, () =>
        talk.send('setBreakpoints', {
          source: { path: debuggee.script },
          breakpoints: [{ line: line('// tick'), logMessage: 'turn {turn}' }],
        }),
      );
      await talk.output(/plain/);
      const spoken = await talk.output(/Ada/);
      assert.ok((spoken.variablesReference ?? 0) > 0);
      await talk.output(/careful/);
      await talk.output(/group/);
      const objects = await talk.event<{ variablesReference: number; output: string }>(
        'output',
        ({ variablesReference }) => variablesReference > 0,
      );
      assert.ok(objects.variablesReference > 0);
      await talk.output(/numbers/);
      await talk.output(/turn/);
      await talk.output(/turn/);
      await talk.event('exited');
      await talk.event('terminated');
      assertGolden('console', talk.transcript);
    });

    it('stops on an uncaught exception, explains it, and reports how the program ended', async () => {
      const { talk } = scene;
      await talk.begin({ process: 'program' }, () =>
        talk.send('setExceptionBreakpoints', { filters: ['uncaught'] }),
      );
      await talk.event('stopped');
      const info = await talk.ask<{ details: { stackTrace: string } }>('exceptionInfo', {
        threadId: 1,
      });
      assert.match(info.details.stackTrace, /RangeError: too far\n +at /);
      await talk.ask('continue', { threadId: 1 });
      assert.deepEqual(await talk.event('exited'), { exitCode: 1 });
      await talk.event('terminated');
    });

    it('stops on an exception only when its condition holds', async () => {
      const { talk } = scene;
      await talk.begin({ process: 'program' }, () =>
        talk.send('setExceptionBreakpoints', {
          filters: [],
          filterOptions: [{ filterId: 'uncaught', condition: "error.message === 'other'" }],
        }),
      );
      await talk.event('terminated');
      assert.deepEqual(talk.unexpected('stopped'), []);
    });
  });
}
