import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Forecasts } from '../../../agent/handoff/forecasts.ts';
import { agentHome } from '../../../agent/state/home.ts';
import { temporaryFolder } from '../../support/temporary.ts';

describe('what is expected of a move', () => {
  const folder = temporaryFolder();
  const home = agentHome({ FLICK_HOME: folder.path });
  after(() => folder.remove());

  it('is nothing before the first, then what the last ones were', async () => {
    const forecasts = await Forecasts.open(home);
    assert.equal(forecasts.expect('beta', 'p-1', 1_000), undefined);
    const way = 'pre-copy' as const;
    const figures = { memoryBytes: 10_000_000, sentBytes: 10_000_000, rate: 10_000, way };
    await forecasts.learn('beta', 'p-1', { ...figures, pauseMs: 300, totalMs: 1_500 });
    // Another process has all of its memory before it. A second of the first move was sending.
    assert.deepEqual(forecasts.expect('beta', 'p-2', 20_000_000), {
      rate: 10_000,
      pauseMs: 300,
      overheadMs: 500,
      memoryBytes: 20_000_000,
    });
    await forecasts.learn('beta', 'p-1', {
      ...figures,
      sentBytes: 100_000,
      way: 'post-copy',
      pauseMs: 100,
      totalMs: 510,
    });
    assert.deepEqual((await Forecasts.open(home)).expect('beta', 'p-1', 10_000_000), {
      rate: 10_000,
      pauseMs: 200,
      overheadMs: 500,
      memoryBytes: 100_000,
      way: 'post-copy',
    });
    assert.equal(forecasts.expect('gamma', 'p-1', 1_000), undefined);
  });

  it('is forgotten when the file is damaged', async () => {
    writeFileSync(join(home.root, 'forecasts.json'), '{"version":1,"peers":{"beta":7}}');
    assert.equal((await Forecasts.open(home)).expect('beta', 'p-1', 1_000), undefined);
  });
});
