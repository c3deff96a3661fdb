import assert from 'node:assert/strict';
import {
  ProcessMemory,
  understood,
  wordIn,
} from '../../../../../agent/engines/v8/capture/processMemory.ts';

const linuxOnly = process.platform === 'linux' ? describe : describe.skip;

linuxOnly('the memory of this process', () => {
  let memory: ProcessMemory;

  beforeEach(() => {
    const opened = ProcessMemory.open();
    assert.ok(opened);
    memory = opened;
  });

  afterEach(() => memory.close());

  it('shows a small integer as V8 keeps it', () => {
    memory.put(3, 4711);
    assert.equal(memory.wordAt(memory.placeOf(3)), 4711 * 2 ** 32);
    assert.equal(memory.read(memory.placeOf(3), 8).readInt32LE(4), 4711);
  });

  it('has one address for one object, and another for another', () => {
    const [one, other] = [{}, {}];
    memory.put(0, one);
    memory.put(1, other);
    memory.put(2, one);
    const words = memory.read(memory.placeOf(0), 24);
    assert.equal(wordIn(words, 0), wordIn(words, 16));
    assert.notEqual(wordIn(words, 0), wordIn(words, 8));
  });

  it('gives up where there is nothing', () => {
    assert.throws(() => memory.wordAt(8));
    assert.equal(
      understood(memory, (each) => each.read(8, 8)),
      undefined,
    );
  });
});
