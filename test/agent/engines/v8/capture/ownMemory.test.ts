import assert from 'node:assert/strict';
import { OwnMemory } from '../../../../../agent/engines/v8/capture/ownMemory.ts';
import { ProcessMemory } from '../../../../../agent/engines/v8/capture/processMemory.ts';

const linuxOnly = process.platform === 'linux' ? describe : describe.skip;

linuxOnly('contexts in the memory of this process', () => {
  let memory: ProcessMemory;
  let own: OwnMemory;

  beforeEach(() => {
    const opened = ProcessMemory.open();
    assert.ok(opened);
    memory = opened;
    own = new OwnMemory(memory);
  });

  afterEach(() => {
    own.release();
    memory.close();
  });

  function counter(): (() => number)[] {
    let count = 0;
    return [() => count, () => (count += 1)];
  }

  it('are the same for functions that share one', () => {
    const [a, b] = counter();
    const [other] = counter();
    assert.ok(own.hold());
    assert.equal(own.contextOf(a), own.contextOf(b));
    assert.notEqual(own.contextOf(a), own.contextOf(other));
    // What surrounds both calls.
    assert.deepEqual(own.chain(a)?.slice(1), own.chain(other)?.slice(1));
    assert.equal(own.hasHole(own.contextOf(a)), false);
  });

  it('hold a variable that is not initialized', () => {
    const early = ((): (() => unknown) => {
      const look = (): unknown => late;
      if (memory instanceof ProcessMemory) return look;
      const late = look;
      return late;
    })();
    assert.ok(own.hold());
    assert.equal(own.hasHole(own.contextOf(early)), true);
  });

  it('are found wherever V8 puts what they are told by, also at the end of one of its pages', () => {
    let kept: unknown[] = [];
    for (let turn = 0; turn < 30; turn += 1) {
      for (let index = 0; index < 10_000; index += 1)
        kept.push({ index, text: `x${index}`, see: () => index });
      if (turn % 7 === 0) kept = [];
      assert.ok(own.hold(), `turn ${turn}`);
      own.release();
    }
  });
});
