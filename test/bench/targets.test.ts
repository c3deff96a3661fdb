import assert from 'node:assert/strict';
import { median, medianOf, type Figures, type Row } from '../../bench/figures.ts';
import type { Link, RunnerName, SizeMb } from '../../bench/plan.ts';
import { judge, targets, type Judged } from '../../bench/targets.ts';

const none: Figures = {
  ...{ pauseMs: 0, gapsMs: 0, totalMs: 0, wireBytes: 0, toolMs: undefined },
  ...{ restMs: 0, load: 0, residentBytes: 0, parts: {} },
};

function row(
  runner: RunnerName,
  where: { sizeMb: SizeMb; link: Link; hop: 1 | 2 },
  runs: readonly Partial<Figures>[],
  notMeasured?: string,
): Row {
  return { ...where, runner, runs: runs.map((run) => ({ ...none, ...run })), notMeasured };
}

/** What was judged on one hop: text and verdict. */
function verdicts(judged: readonly Judged[], hop: 1 | 2): [string, Judged['verdict']][] {
  return judged
    .filter(({ target }) => target.hop === hop)
    .map(({ target, verdict }) => [target.text, verdict]);
}

describe('medians', () => {
  it('are the middle, or the mean of both middles', () => {
    assert.equal(median([9, 1, 5]), 5);
    assert.equal(median([4, 1, 9, 2]), 3);
    assert.equal(median([]), undefined);
  });

  it('leave runs out that do not have the quantity', () => {
    const where = { sizeMb: 45, link: 'full', hop: 1 } as const;
    assert.equal(medianOf(row('criu', where, [{ toolMs: 7 }, {}]), 'toolMs'), 7);
    assert.equal(medianOf(row('flick', where, [{}]), 'toolMs'), undefined);
  });
});

describe('the targets', () => {
  const where = { sizeMb: 45, link: 'full', hop: 1 } as const;
  const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);

  it('compare medians, at their limit still reached', () => {
    const judged = judge([
      row('flick', where, times(5, { pauseMs: 150 })),
      row('criu', where, times(5, { toolMs: 100, pauseMs: 1 })),
      row('podman', where, times(5, { pauseMs: 1400, toolMs: 1 })),
    ]);
    assert.deepEqual(verdicts(judged, 1), [
      ["pause to plain criu's dump + restore", { kind: 'reached', value: 1.5 }],
      ["pause to Podman's", { kind: 'missed', value: 150 / 1400 }],
    ]);
  });

  it('are not reached where something was not measured, and say why', () => {
    const judged = judge([
      row('flick', where, times(5, { pauseMs: 1 })),
      row('podman', where, [], 'podman could not be had'),
    ]);
    assert.deepEqual(verdicts(judged, 1), [
      ["pause to plain criu's dump + restore", { kind: 'notMeasured', reason: 'criu was not run' }],
      ["pause to Podman's", { kind: 'notMeasured', reason: 'podman could not be had' }],
    ]);
    assert.ok(verdicts(judged, 2).every(([, verdict]) => verdict.kind === 'notMeasured'));
  });

  it('are undecided with fewer than five runs on either side', () => {
    const judged = judge([
      row('flick', where, times(5, { pauseMs: 100 })),
      row('criu', where, times(4, { toolMs: 100 })),
    ]);
    assert.deepEqual(verdicts(judged, 1)[0]?.[1], {
      ...{ kind: 'undecided', value: 1, reason: '4 of 5 runs' },
    });
  });

  it('of the slow link are absolute', () => {
    const slow = { sizeMb: 512, link: '384kbit', hop: 2 } as const;
    const judged = judge([row('flick', slow, times(5, { pauseMs: 3001, wireBytes: 3e6 }))]);
    assert.deepEqual(verdicts(judged, 2), [
      ['pause in ms', { kind: 'missed', value: 3001 }],
      ['bytes on the wire', { kind: 'reached', value: 3e6 }],
    ]);
  });

  it('that nobody asked for are left out', () => {
    assert.deepEqual(judge([row('flick', { ...where, link: '100mbit' }, [])]), []);
    assert.equal(judge([row('flick', where, [])]).length, 4);
    assert.equal(targets.length, 14);
  });
});
