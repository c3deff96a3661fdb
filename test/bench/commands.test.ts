import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { endTree, firstData, output, start } from '../../bench/commands.ts';
import { lackingFor } from '../../bench/machine.ts';
import { childrenOf, findProcess } from '../lab/processes.ts';

const shell = (script: string): { argv: string[] } => ({ argv: ['bash', '-c', script] });

describe('what the benchmark runs', () => {
  it('is read line by line, and its failure says what it complained of', async () => {
    const started = start(shell('echo one; echo two; echo broken >&2; exit 3'));
    assert.equal(await started.line(), 'one');
    assert.equal(await started.line(), 'two');
    await assert.rejects(started.line(), /ended with 3: broken/);
    await assert.rejects(started.ended, /ended with 3: broken/);
  });

  it('gives its whole output', async () => {
    const text = await output(shell('printf "%s\\n" {1..50000}; printf end'));
    assert.equal(text.split('\n').length, 50_001);
    assert.ok(text.endsWith('\nend'));
  });

  it('says on descriptor 3 when it is ready', async () => {
    const before = Date.now();
    const ready = await firstData(start(shell('printf x >&3'), true));
    assert.ok(ready >= before && ready <= Date.now());
    await assert.rejects(firstData(start(shell('exit 0'), true)), /before it was ready/);
  });

  it('ends with all that it has started', async () => {
    const started = start(shell('sleep 1000 & (sleep 1000 & wait) & echo up; wait'));
    await started.line();
    const own = started.child.pid ?? 0;
    const all = [own, ...childrenOf(own)];
    for (const each of all) all.push(...childrenOf(each).filter((pid) => !all.includes(pid)));
    assert.ok(all.length >= 3);
    await endTree(started);
    assert.deepEqual(
      all.filter((pid) => findProcess(pid) !== undefined),
      [],
    );
  });
});

describe('the room for a process', () => {
  it('is enough for a small one, and for one larger than any machine it says what is missing', () => {
    assert.match(
      lackingFor(1e9, tmpdir()) ?? '',
      /^it takes \d+ MB of memory, and \d+ MB are free$/,
    );
    assert.equal(lackingFor(1, tmpdir()), undefined);
  });
});
