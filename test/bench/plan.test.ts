import assert from 'node:assert/strict';
import { parseOptions, UsageError } from '../../bench/options.ts';
import { casesOf, everything } from '../../bench/plan.ts';

describe('the plan of the benchmark', () => {
  const told = (words: readonly string[]): string[] =>
    casesOf(parseOptions(words).selection).map(
      ({ runner, sizeMb, link, hops }) => `${runner} ${String(sizeMb)} ${link} ${hops.join('+')}`,
    );

  it('is every runner with every size on the two fast links, and Flick alone on the slow one', () => {
    const all = casesOf(everything);
    assert.equal(all.length, 2 * 3 * 4 + 2);
    assert.deepEqual(told(['--links', '384kbit']), ['flick 45 384kbit 1', 'flick 512 384kbit 2']);
  });

  it('takes what was asked for, in its own order', () => {
    assert.deepEqual(told(['--only', 'criu,flick', '--sizes', '512,45', '--links', 'full']), [
      ...['flick 45 full 1+2', 'criu 45 full 1+2'],
      ...['flick 512 full 1+2', 'criu 512 full 1+2'],
    ]);
  });

  it('has five runs of everything, and a quick one of the smallest', () => {
    const full = parseOptions([]);
    assert.deepEqual([full.repetitions, full.limitMs], [5, 15 * 60_000]);
    assert.deepEqual(full.selection, everything);
    assert.deepEqual(told(['--quick']), ['flick 45 full 1+2', 'criu 45 full 1+2']);
    assert.equal(parseOptions(['--quick']).repetitions, 1);
    assert.equal(parseOptions(['--quick', '--repetitions', '2']).repetitions, 2);
  });

  it('refuses what it does not know', () => {
    for (const words of [
      ...[
        ['--only', 'docker'],
        ['--sizes', '46'],
        ['--links', ''],
        ['--repetitions', '0'],
      ],
      ...[['--limit', 'soon'], ['--wrong'], ['extra']],
    ]) {
      assert.throws(() => parseOptions(words), UsageError, words.join(' '));
    }
  });
});
