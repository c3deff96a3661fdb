import assert from 'node:assert/strict';
import { formatBytes, formatMs, resultTable, targetTable } from '../../bench/table.ts';
import { judge } from '../../bench/targets.ts';
import type { Figures, Row } from '../../bench/figures.ts';

const figures: Figures = {
  ...{ pauseMs: 60, gapsMs: 83, totalMs: 1234, wireBytes: 8_192_000, toolMs: undefined },
  ...{ restMs: 6, load: 0, residentBytes: 47_000_000, parts: {} },
};
const rows: Row[] = [
  {
    ...{ sizeMb: 45, link: 'full', hop: 1, runner: 'flick' },
    ...{ runs: Array.from({ length: 5 }, () => figures), notMeasured: undefined },
  },
  {
    ...{ sizeMb: 45, link: 'full', hop: 1, runner: 'criu' },
    ...{ runs: Array.from({ length: 5 }, () => ({ ...figures, toolMs: 50 })) },
    notMeasured: undefined,
  },
  {
    ...{ sizeMb: 45, link: 'full', hop: 1, runner: 'podman' },
    ...{ runs: [], notMeasured: 'podman could not be had on this machine' },
  },
];

describe('the tables of the benchmark', () => {
  it('show medians, and why something is missing', () => {
    assert.deepEqual(resultTable(rows), [
      'process  link  hop  moved by  runs  pause  gaps > 20 ms  total   on the wire  dump + restore',
      '-------  ----  ---  --------  ----  -----  ------------  ------  -----------  --------------',
      '  45 MB  full    1  flick        5  60 ms         83 ms  1.23 s      8.19 MB               –',
      '  45 MB  full    1  criu         5  60 ms         83 ms  1.23 s      8.19 MB           50 ms',
      '  45 MB  full    1  podman       0      –             –       –            –               –',
      '',
      'not measured: podman, 45 MB, full: podman could not be had on this machine',
    ]);
  });

  it('mark what was reached, missed, and not measured', () => {
    const lines = targetTable(judge(rows));
    assert.match(lines[2] ?? '', /^✔ +45 MB +full +1 +pause to plain criu's .* 1\.5 +1\.2$/);
    assert.match(lines[4] ?? '', /^– .*Podman's +0\.1 +not measured: podman could not be had/);
    const slower = rows.map((row) => ({
      ...row,
      runs: row.runs.map((run) => ({ ...run, pauseMs: 76 })),
    }));
    assert.match(targetTable(judge(slower))[2] ?? '', /^✘ .*1\.52$/);
  });

  it('round as people read', () => {
    assert.deepEqual([0.4, 999, 1000, 99_999, 212_345].map(formatMs), [
      ...['0 ms', '999 ms', '1.00 s', '100.00 s', '212 s'],
    ]);
    assert.deepEqual([512, 999_000, 3e6, 498_048_441].map(formatBytes), [
      ...['1 kB', '999 kB', '3.00 MB', '498 MB'],
    ]);
  });
});
