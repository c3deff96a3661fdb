import assert from 'node:assert/strict';
import { Turns } from '../../common/turns.ts';
import { Deferred } from '../../common/deferred.ts';

describe('turns', () => {
  it('come one after the other for one key, in their order, also after one that failed', async () => {
    const turns = new Turns();
    const gates = [new Deferred<undefined>(), new Deferred<undefined>(), new Deferred<undefined>()];
    const begun: number[] = [];
    const all = gates.map((gate, index) =>
      turns.take('a', async () => {
        begun.push(index);
        await gate.promise;
        return index;
      }),
    );
    const failed = assert.rejects(all[0] ?? Promise.resolve(), /not this one/);
    await turn();
    assert.deepEqual(begun, [0]);
    gates[1]?.resolve(undefined);
    await turn();
    assert.deepEqual(begun, [0]);
    gates[0]?.reject(new Error('not this one'));
    await failed;
    assert.equal(await all[1], 1);
    await turn();
    assert.deepEqual(begun, [0, 1, 2]);
    gates[2]?.resolve(undefined);
    assert.equal(await all[2], 2);
  });

  it('of another key do not wait', async () => {
    const turns = new Turns();
    const gate = new Deferred<undefined>();
    const first = turns.take('a', () => gate.promise);
    assert.equal(await turns.take('b', () => Promise.resolve('b')), 'b');
    gate.resolve(undefined);
    await first;
  });
});

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
