import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { isFullRun } from '../../support/seed.ts';
import { assertSaid } from '../steady.ts';
import { UnderWay } from '../underWay.ts';
import { outcomesOf, type Cell, type Fault } from './expected.ts';
import type { Ground, Place } from './ground.ts';
import { injections } from './inject.ts';
import { Observer } from './observe.ts';

/** Until a dead link is noticed, in ms (docs/architecture.md, “Links”). */
const notice = 5_000;
/** As usual: 60 s while the process runs, 20 s while it stands still. Else in the same proportion, but for the notice. */
const scaled = { running: 8_000, frozen: 1_500 };

interface Times {
  /** `FLICK_LINK_PATIENCE` of both agents. */
  readonly patience: string | undefined;
  readonly cutFor: { readonly short: number; readonly long: number };
}

/** A cut of 60 s is longer than what is done without a link while the process stands still, and shorter than while it runs. */
function timesOf(fault: Fault): Times {
  const short = 1_000;
  if (isFullRun && fault === 'cut for 60 s') {
    return { patience: undefined, cutFor: { short, long: 60_000 } };
  }
  const patience = `${String(scaled.running)},${String(scaled.frozen)}`;
  return { patience, cutFor: { short, long: notice + scaled.frozen + 3_000 } };
}

let count = 0;

/** Plays one cell: a move that is stopped at the row's moment, the fault, and what has become of it. @returns the outcome */
export async function play(ground: Ground, cell: Cell): Promise<string> {
  const { row, fault, expected } = cell;
  const place: Place = row.side === 'source' ? 'alpha' : 'beta';
  const { patience, cutFor } = timesOf(fault);
  count += 1;
  const name = `cell-${String(count)}`;
  if (fault === 'disk full') await ground.smallDisk(place);
  await ground.ready(patience);
  const isPortable = row.portable === true;
  const id = await ground.start(name, isPortable);
  const observer = new Observer(ground, name, id);
  await observer.goesOn('alpha');
  const capsule = expected.includes('ended') ? await save(ground, id) : undefined;
  ground.stopAt(row.side, row.at);
  const way = row.postCopy === true ? ['--memory', 'post-copy'] : [];
  const engine = isPortable ? ['--engine', 'v8'] : [];
  const command = ['move', '--json', ...way, ...engine, id, 'beta'];
  const move = new UnderWay(ground.fixture.lab.flickHome, command);
  try {
    const agentPid = await ground.stopped(place, move);
    const struck = { ground, place, process: id, agentPid, move, cutFor, isPortable };
    const { repair, late, clientIsGone } = await injections[fault](struck);
    if (repair !== undefined) {
      await delay(notice + scaled.running + 2_000);
      const meanwhile = await observer.meanwhile();
      assert.ok(row.meanwhile.split(' or ').includes(meanwhile), `meanwhile: ${meanwhile}`);
      move.signal('SIGKILL');
      await repair();
    }
    const verdict = await observer.verdict(row.postCopy);
    const seen = JSON.stringify(observer.listed);
    assert.ok(
      outcomesOf[expected].includes(verdict),
      `expected ${expected}, got ${verdict}: ${seen}`,
    );
    if (clientIsGone !== true) await assertClientSaid(move, verdict);
    await late?.();
    if (verdict.startsWith('ended')) await assertOffered(ground, id, capsule);
    await assertAfter(ground, observer, id, verdict);
    return verdict;
  } finally {
    move.signal('SIGKILL');
    if (fault === 'disk full') await ground.usualDisk(place);
    if (capsule !== undefined) await ground.fixture.flick.run(['capsule', 'rm', capsule]);
  }
}

async function save(ground: Ground, id: string): Promise<string> {
  const { id: capsule } = await ground.fixture.flick.json<{ id: string }>(['capsule', 'save', id]);
  return capsule;
}

/** Whoever looks for a process that is lost is told what is left to start from. */
async function assertOffered(
  ground: Ground,
  id: string,
  capsule: string | undefined,
): Promise<void> {
  const found = await ground.fixture.find(id);
  assert.equal(found?.capsule?.id, capsule, JSON.stringify(found));
}

/** It is where the verdict says, with its state, and nowhere else is anything of it. */
async function assertAfter(
  ground: Ground,
  observer: Observer,
  id: string,
  verdict: string,
): Promise<void> {
  const owner: Place = verdict.endsWith('target') ? 'beta' : 'alpha';
  if (verdict === 'source' || verdict === 'target') await observer.goesOn(owner);
  observer.assertOneSequence();
  if (verdict === 'lost there') {
    assertSaid(await ground.fixture.flick.run(['resolve', id, '--run-here', '--yes']), 0);
    assert.equal(await observer.verdict(), 'source');
    await observer.goesOn('alpha');
    // The copy that was lost is still told of, until somebody has read it.
    await ground.end('alpha', id);
    await ground.end('beta', id);
  } else if (verdict === 'stranded') {
    assertSaid(await ground.fixture.flick.run(['resolve', id, '--gone', '--yes']), 0);
    await ground.end('beta', id);
  } else {
    await observer.assertTidy(owner);
    await ground.end(owner, id);
  }
  await observer.assertGone();
}

/** What a person reads of the move fits what has become of it. */
async function assertClientSaid(move: UnderWay, verdict: string): Promise<void> {
  const ran = await Promise.race([move.ended, delay(30_000, undefined, { ref: false })]);
  assert.ok(ran !== undefined, 'the client still waits');
  const said = `${String(ran.code)}: ${ran.stdout}${ran.stderr}`;
  // Post-copy is a success before the last page has come.
  if (ran.code === 0) assert.match(verdict, /target$|stranded|lost there/, said);
  else if (verdict === 'target') assert.match(said, /decided where it runs|stands still here/);
}
