import assert from 'node:assert/strict';
import { isFullRun, sample, seededRandom } from './seed.ts';

describe('seeded draws', () => {
  it('are the same for the same label and differ between labels', () => {
    const draw = (label: string): number[] => {
      const random = seededRandom(label);
      return [random(), random(), random()];
    };
    assert.deepEqual(draw('one'), draw('one'));
    assert.notDeepEqual(draw('one'), draw('other'));
    assert.ok([...draw('one'), ...draw('other')].every((number) => number >= 0 && number < 1));
  });

  it('sample as many cases as asked, in their order, or all in a full run', () => {
    const cases = [1, 2, 3, 4, 5, 6, 7, 8];
    const drawn = sample('cases', cases, 3);
    assert.equal(drawn.length, isFullRun ? 8 : 3);
    assert.deepEqual(
      drawn,
      [...drawn].sort((one, other) => one - other),
    );
    assert.deepEqual(sample('cases', cases, 20), cases);
  });
});
