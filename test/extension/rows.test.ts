import assert from 'node:assert/strict';
import { deviceRow, type DeviceFacts } from '../../extension/model/deviceRow.ts';
import { processRow } from '../../extension/model/processRow.ts';
import { countRunning, isFleetEmpty } from '../../extension/model/fleetState.ts';
import { FlickError } from '../../protocol/index.ts';
import { description, process } from './samples.ts';

const now = new Date(2026, 3, 5, 14, 30).getTime();
const around = { deviceName: 'alpha', now };

describe('device rows', () => {
  const facts: DeviceFacts = {
    name: 'alpha',
    isLocal: false,
    state: { kind: 'connected' },
    description: description(),
    processesSeenAt: now,
  };

  it('shows the engine of a connected device', () => {
    const row = deviceRow(facts, now);
    assert.equal(row.label, 'alpha');
    assert.equal(row.description, 'CRIU 4.2.1 · alpha.lan');
    assert.match(row.context, /^device connected remote$/);
    assert.equal(row.away, false);
    assert.match(row.tooltip(), /Debian 12/);
  });

  it('says when a device cannot move processes yet, and offers the setup', () => {
    const row = deviceRow({ ...facts, description: description({ available: false }) }, now);
    assert.match(row.description, /cannot move processes yet/);
    assert.match(row.context, /\bneedsSetup\b/);
    assert.match(row.tooltip(), /CRIU is missing/);
    assert.match(row.tooltip(), /Set the device up/);
  });

  it('greys a device that is away and says when it was seen', () => {
    const error = new FlickError('linkLost', 'No route to host.', { remedy: 'Is it on?' });
    const state = { kind: 'waiting', untilMs: now + 5000, attempt: 2, error } as const;
    const row = deviceRow({ ...facts, state, processesSeenAt: now - 86_400_000 }, now);
    assert.equal(row.away, true);
    assert.match(row.description, /unreachable, attempt 3 at 14:30:05 · seen 2026-04-04 14:30/);
    assert.match(row.tooltip(), /No route to host\\\.[^]*Is it on?/);
    assert.match(row.context, /\bwaiting\b/);
    assert.doesNotMatch(row.context, /\bconnected\b/);
  });

  it('never lets a menu take “disconnected” for “connected”', () => {
    const row = deviceRow({ ...facts, state: { kind: 'disconnected' } }, now);
    assert.doesNotMatch(row.context, /\bconnected\b/);
  });
});

describe('process rows', () => {
  it('shows ports and memory of a running process and offers to move it', () => {
    const row = processRow(process(), around);
    assert.equal(row.label, 'web');
    assert.equal(row.description, ':8080 · 45 MB');
    assert.equal(row.icon, 'circle-filled');
    for (const word of ['movable', 'alive', 'terminal', 'present']) {
      assert.match(row.context, new RegExp(`\\b${word}\\b`));
    }
  });

  it('shows the step of a move, and no way to cancel it after the release', () => {
    const movement = { handoff: 'h-0123456789abcdef', peer: 'beta', doneBytes: 5, totalBytes: 10 };
    const sending = process({ state: 'moving', movement: { ...movement, step: 'send' } });
    assert.equal(
      processRow(sending, around).description,
      '→ beta: sending its memory (50 %) · :8080',
    );
    assert.equal(processRow(sending, around).icon, 'loading~spin');
    assert.match(processRow(sending, around).context, /\bcancellable\b/);
    const released = process({ state: 'moving', movement: { ...movement, step: 'commit' } });
    assert.doesNotMatch(processRow(released, around).context, /\bcancellable\b/);
  });

  it('says how a process ended', () => {
    const killed = process({ state: 'exited', exit: { exitCode: null, signal: 'SIGKILL' } });
    assert.match(processRow(killed, around).description, /^ended by SIGKILL/);
    const failed = process({ state: 'exited', exit: { exitCode: 3, signal: null } });
    assert.match(processRow(failed, around).description, /^exited with 3/);
    assert.match(processRow(failed, around).context, /\bended\b/);
  });

  it('keeps what a process is called from becoming Markdown', () => {
    const name = '[x](command:evil) `y` <b>';
    const tooltip = processRow(process({ name, command: ['a|b', '``c`'] }), around).tooltip();
    assert.doesNotMatch(tooltip, /(?<!\\)\]\(/);
    assert.doesNotMatch(tooltip, /(?<!\\)<b/);
  });

  it('offers nothing on a process whose device is away', () => {
    const row = processRow(process(), { ...around, awaySince: now });
    assert.equal(row.away, true);
    assert.doesNotMatch(row.context, /\b(movable|alive|terminal|present)\b/);
    assert.match(row.description, /seen 14:30/);
  });
});

describe('fleet state', () => {
  const local = { isLocal: true, processes: [] };
  it('is empty with only this computer and nothing on it', () => {
    assert.equal(isFleetEmpty([]), true);
    assert.equal(isFleetEmpty([local]), true);
    assert.equal(isFleetEmpty([{ isLocal: true, processes: [process()] }]), false);
    assert.equal(isFleetEmpty([local, { isLocal: false, processes: [] }]), false);
  });

  it('counts a process on its way once, and ended ones not at all', () => {
    const count = countRunning([
      { isLocal: true, processes: [process({ state: 'moving' }), process({ state: 'exited' })] },
      { isLocal: false, processes: [process({ state: 'arriving' }), process()] },
    ]);
    assert.equal(count, 2);
  });
});
