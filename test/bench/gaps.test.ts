import assert from 'node:assert/strict';
import { gapsBetween } from '../../bench/gaps.ts';

describe('the gaps of a heartbeat', () => {
  const beats = [0, 5, 10, 110, 115, 145, 150, 155];

  it('are the longest one and the sum of those over 20 ms, each with its whole length', () => {
    assert.deepEqual(gapsBetween(beats, 0, 155), { longestMs: 100, sumMs: 130, count: 2 });
  });

  it('count where they reach into the window, not where they only touch it', () => {
    assert.deepEqual(gapsBetween(beats, 50, 60), { longestMs: 100, sumMs: 100, count: 1 });
    assert.deepEqual(gapsBetween(beats, 110, 155), { longestMs: 30, sumMs: 30, count: 1 });
    assert.deepEqual(gapsBetween(beats, 112, 115), { longestMs: 5, sumMs: 0, count: 0 });
    assert.deepEqual(gapsBetween(beats, 0, 10), { longestMs: 5, sumMs: 0, count: 0 });
  });

  it('count from 21 ms on', () => {
    assert.equal(gapsBetween([0, 20, 41], 0, 41).sumMs, 21);
  });

  it('are not guessed where the beats do not span the window', () => {
    assert.throws(() => gapsBetween(beats, -1, 100), RangeError);
    assert.throws(() => gapsBetween(beats, 0, 156), RangeError);
    assert.throws(() => gapsBetween([], 0, 0), RangeError);
  });
});
