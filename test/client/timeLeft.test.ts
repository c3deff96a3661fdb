import assert from 'node:assert/strict';
import { TimeLeft } from '../../client/timeLeft.ts';

describe('the time that a transfer still takes', () => {
  it('follows from how it went lately', () => {
    const left = new TimeLeft();
    assert.equal(left.update(0, 1_000_000, 0), undefined);
    assert.equal(left.update(10_000, 1_000_000, 1_000), undefined);
    assert.equal(left.update(20_000, 1_000_000, 2_000), 98_000);
    // Ten times as fast from here on: after the window only that counts.
    for (let second = 3; second <= 11; second += 1) {
      left.update(20_000 + (second - 2) * 100_000, 1_000_000, second * 1_000);
    }
    assert.equal(left.update(1_000_000, 1_000_000, 12_000), 0);
  });

  it('is not known while nothing moves, and begins anew with another step', () => {
    const left = new TimeLeft();
    left.update(500, 1_000, 0);
    assert.equal(left.update(500, 1_000, 5_000), undefined);
    assert.equal(left.update(0, 1_000, 6_000), undefined);
  });
});
