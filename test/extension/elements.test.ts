import assert from 'node:assert/strict';
import type { Device } from '../../client/device.ts';
import { planMoves } from '../../extension/moves/plan.ts';
import { ElementStore, isElement } from '../../extension/views/elements.ts';
import type { ProcessInfo } from '../../protocol/index.ts';
import { process } from './samples.ts';

/** Only what elements read of a device. */
function device(
  name: string,
  processes: readonly ProcessInfo[],
): { processes: readonly ProcessInfo[] } & Device {
  const fake = { name, processes, state: { kind: 'connected' } };
  return fake as unknown as Device & typeof fake;
}

const tree = (children: ProcessInfo['tree']): ProcessInfo['tree'] => [
  { pid: 4711, command: 'node', rssBytes: 1, children },
];
const child = { pid: 4712, command: 'worker', rssBytes: 1, children: [] };

describe('tree elements', () => {
  it('stay the same objects with the same ids while what they stand for changes', () => {
    const alpha = device('alpha', [process({ tree: tree([child]) })]);
    const store = new ElementStore();
    const [element] = store.of([alpha]);
    const before = element?.processes[0];
    const taskBefore = before?.tasks[0];
    alpha.processes = [process({ name: 'renamed', rssBytes: 1, tree: tree([child]) })];
    assert.equal(store.of([alpha])[0], element);
    assert.equal(element?.processes[0], before);
    assert.equal(before?.info.name, 'renamed');
    assert.equal(before?.tasks[0], taskBefore);
    assert.equal(before?.id, 'device/alpha/process/p-0123456789');
    assert.equal(taskBefore?.task.command, 'worker');
  });

  it('go when what they stand for goes', () => {
    const alpha = device('alpha', [process()]);
    const store = new ElementStore();
    const element = store.device(alpha);
    const before = element.processes[0];
    alpha.processes = [];
    assert.equal(element.processes.length, 0);
    alpha.processes = [process()];
    assert.notEqual(element.processes[0], before);
  });

  it('name what changed, or say that the list itself did', () => {
    const other = process({ id: 'p-abcdefghij', name: 'db' });
    const first = process();
    const alpha = device('alpha', [first, other]);
    const element = new ElementStore().device(alpha);
    assert.equal(element.takeChanges(), undefined);
    assert.deepEqual(element.takeChanges(), []);
    alpha.processes = [process({ rssBytes: 1 }), other];
    assert.deepEqual(
      element.takeChanges()?.map((each) => each.info.name),
      ['web'],
    );
    alpha.processes = [other];
    assert.equal(element.takeChanges(), undefined);
  });
});

describe('what a drop asks for', () => {
  const info = process({ tree: tree([child]) });
  const alpha = device('alpha', [info]);
  const beta = device('beta', []);
  const store = new ElementStore();
  const web = store.device(alpha).processes[0];
  assert.ok(web !== undefined);

  it('moves the process once, also with its children dragged along', () => {
    const { moves, left } = planMoves([web, ...web.tasks], beta);
    assert.deepEqual(
      moves.map((each) => [each.from.name, each.processName, each.to.name]),
      [['alpha', 'web', 'beta']],
    );
    assert.deepEqual(left, []);
  });

  it('does nothing on the same device', () => {
    assert.deepEqual(planMoves([web], alpha), { moves: [], left: [] });
  });

  it('says why something cannot go', () => {
    for (const [state, text] of [
      ['moving', /already on its way/],
      ['exited', /does not run any more/],
      ['inDoubt', /resolved first/],
    ] as const) {
      const gamma = device('gamma', [process({ state })]);
      const plan = planMoves(store.device(gamma).processes, beta);
      assert.equal(plan.moves.length, 0);
      assert.match(plan.left.join(), text);
    }
  });

  it('recognises rows among the arguments of a command', () => {
    assert.equal(isElement(web), true);
    assert.equal(isElement({ kind: 'process' }), false);
    assert.equal(isElement('web'), false);
  });
});
