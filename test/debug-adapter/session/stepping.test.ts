import assert from 'node:assert/strict';
import { assertGolden } from './golden.ts';
import { openScene, requireNode, versions, type Scene } from './scene.ts';

const program = `
class Counter {
  constructor(start) {
    this.total = start; // in the constructor
  }
  add(amount) {
    const before = this.total; // in add
    this.total += amount;
    return before;
  }
  static make(start) {
    return new Counter(start); // in make
  }
}
function twice(number) {
  return number * 2; // in twice
}
async function later(counter) {
  await null;
  counter.add(twice(21)); // in later
}
const counter = Counter.make(40);
const seen = counter.add(1); // first call
const more = seen + 1;
debugger; // by hand
later(counter);
setInterval(() => {}, 1000);
`;

for (const node of versions) {
  describe(`stepping in Node.js ${node}`, () => {
    let scene: Scene;

    before(function () {
      requireNode(this, node);
    });
    beforeEach(async () => {
      scene = await openScene(program, node);
    });
    afterEach(() => scene.end());

    it('goes over, into and out of calls, and stops at debugger statements', async () => {
      const { talk } = scene;
      await talk.begin({ process: 'program' }, () => scene.breakAt('first call'));
      await talk.event('stopped');
      await talk.ask('threads');
      await talk.ask('stackTrace', { threadId: 1 });
      await talk.ask('stepIn', { threadId: 1 });
      await talk.event('stopped');
      await talk.ask('stackTrace', { threadId: 1 });
      await talk.ask('next', { threadId: 1 });
      await talk.event('stopped');
      await talk.ask('stackTrace', { threadId: 1, levels: 1 });
      await talk.ask('stepOut', { threadId: 1 });
      await talk.event('stopped');
      await talk.ask('stackTrace', { threadId: 1, levels: 1 });
      await talk.ask('continue', { threadId: 1 });
      await talk.event('stopped');
      await talk.ask('stackTrace', { threadId: 1, levels: 1 });
      await talk.ask('disconnect');
      assertGolden('stepping', talk.transcript);
    });

    it('steps into the call that is chosen, and begins a function anew', async () => {
      const { talk } = scene;
      await talk.begin({ process: 'program' }, () => scene.breakAt('in later'));
      await talk.event('stopped', () => true);
      await talk.ask('continue', { threadId: 1 });
      await talk.event('stopped');
      const { id: frameId } = await talk.top();
      await talk.ask('stackTrace', { threadId: 1 });
      const { targets } = await talk.ask<{ targets: { id: number; label: string }[] }>(
        'stepInTargets',
        { frameId },
      );
      const add = targets.find(({ label }) => label.endsWith('add'));
      assert.ok(add);
      await talk.ask('stepIn', { threadId: 1, targetId: add.id });
      await talk.event('stopped');
      await talk.ask('stackTrace', { threadId: 1, levels: 1 });
      await talk.ask('next', { threadId: 1 });
      await talk.event('stopped');
      await talk.ask('restartFrame', { frameId: (await talk.top()).id });
      await talk.event('stopped');
      await talk.ask('stackTrace', { threadId: 1, levels: 1 });
      const [, caller] = (
        (await talk.send('stackTrace', { threadId: 1 })).body as { stackFrames: { id: number }[] }
      ).stackFrames;
      await talk.askInVain('restartFrame', { frameId: caller?.id ?? 0 });
      assertGolden('stepTargets', talk.transcript);
    });
  });
}
