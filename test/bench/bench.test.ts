import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Row } from '../../bench/figures.ts';
import type { Judged } from '../../bench/targets.ts';
import { FlickCommand } from '../support/flick.ts';
import { requireProvisioned, requireRoot, root } from '../support/provisioned.ts';
import { temporaryFolder } from '../support/temporary.ts';

interface Document {
  readonly rows: readonly Row[];
  readonly targets: readonly Judged[];
}

describe('a quick run of the benchmark', function () {
  this.timeout(180_000);
  const folder = temporaryFolder();
  let document: Document | undefined;
  const earlier = folders();
  let printed = '';

  before(function () {
    requireRoot(this);
    requireProvisioned(this, 'criu');
    FlickCommand.requireBuilt(this);
    const file = join(folder.path, 'bench.json');
    const words = ['--import', 'tsx', join(root, 'bench/main.ts'), '--quick', '--json', file];
    const ran = spawnSync(process.execPath, words, { cwd: root, encoding: 'utf8' });
    assert.equal(ran.status, 0, ran.stderr);
    printed = ran.stdout;
    document = JSON.parse(readFileSync(file, 'utf8')) as Document;
  });

  after(() => folder.remove());

  it('measures both hops of the 45 MB process, moved by Flick and by plain CRIU', () => {
    const rows = document?.rows ?? [];
    assert.deepEqual(
      rows.map((row) => [
        row.runner,
        row.sizeMb,
        row.link,
        row.hop,
        row.runs.length,
        row.notMeasured,
      ]),
      [
        ['flick', 45, 'full', 1, 1, undefined],
        ['criu', 45, 'full', 1, 1, undefined],
        ['flick', 45, 'full', 2, 1, undefined],
        ['criu', 45, 'full', 2, 1, undefined],
      ],
    );
  });

  it('has figures that can be true', () => {
    for (const { runner, hop, runs } of document?.rows ?? []) {
      for (const run of runs) {
        const told = `${runner}, hop ${String(hop)}: ${JSON.stringify(run)}`;
        assert.ok(run.restMs < run.pauseMs, told);
        // Neither can save and restore a process of this size any faster.
        assert.ok(run.pauseMs > 20 && run.pauseMs < run.totalMs, told);
        assert.ok(run.gapsMs >= run.pauseMs && run.gapsMs < run.totalMs + run.pauseMs, told);
        assert.ok(run.wireBytes > 100_000 && run.wireBytes < 60e6, told);
        if (runner === 'criu')
          assert.ok((run.toolMs ?? 0) > 20 && (run.toolMs ?? 0) < run.totalMs, told);
        else assert.equal(run.toolMs, undefined);
      }
    }
  });

  it('decides nothing by one run, and says so', () => {
    const kinds = document?.targets.map(({ verdict }) => verdict.kind);
    assert.deepEqual(kinds, ['undecided', 'undecided', 'notMeasured', 'notMeasured']);
    assert.match(printed, /\? +45 MB +full +1 .*\(1 of 5 runs\)/);
    assert.match(printed, /– .*not measured: podman was not run/);
  });

  it('leaves no device behind', () => {
    assert.deepEqual(
      folders().filter((name) => !earlier.includes(name)),
      [],
    );
  });
});

/** Where the benchmark's devices are. */
function folders(): string[] {
  const cache = join(root, '.cache');
  return existsSync(cache) ? readdirSync(cache).filter((name) => name.startsWith('bench-')) : [];
}
