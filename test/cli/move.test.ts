import assert from 'node:assert/strict';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import * as v from 'valibot';
import { handoffSteps } from '../../protocol/index.ts';
import { Lab } from '../lab/lab.ts';
import { requireProgram, requireProvisioned, requireRoot } from '../support/provisioned.ts';
import { Flick, requireBuilt } from './flick.ts';
import { Person } from './person.ts';

const moveDocument = v.object({
  process: v.object({ id: v.string(), name: v.string(), device: v.string(), pid: v.number() }),
  from: v.string(),
  to: v.string(),
  engine: v.literal('criu'),
  downtimeMs: v.number(),
  totalMs: v.number(),
  bytesSent: v.number(),
  steps: v.array(v.object({ name: v.picklist(handoffSteps), ms: v.number() })),
});

const counter = 'i=0; while :; do echo "count $i"; i=$((i+1)); sleep 0.1; done';

describe('flick between two devices', function () {
  this.timeout(180_000);
  let flick: Flick;
  let lab: Lab | undefined;

  before(async function () {
    requireRoot(this);
    requireBuilt(this);
    requireProvisioned(this, 'criu');
    for (const program of ['sshd', 'ip', 'python3']) requireProgram(this, program);
    flick = new Flick();
    flick.hideCriu();
    lab = await Lab.up(['alpha', 'beta'], { flickHome: flick.home });
  });
  after(async () => {
    await lab?.down();
    await flick?.dispose();
  });

  it('moves a process by name', async () => {
    await flick.json([
      'run',
      '--detach',
      '--on',
      'alpha',
      '--name',
      'mover',
      '--',
      'sh',
      '-c',
      counter,
    ]);
    const check = await flick.run(['check', 'mover', 'beta']);
    assert.equal(check.status, 0);
    assert.match(check.stdout, /^mover can move from alpha to beta: /);
    const moved = v.parse(moveDocument, await flick.json(['move', 'mover', 'beta']));
    assert.deepEqual(
      [moved.process.name, moved.process.device, moved.from, moved.to],
      ['mover', 'beta', 'alpha', 'beta'],
    );
    assert.ok(moved.downtimeMs > 0 && moved.bytesSent > 0);
    assert.deepEqual(
      moved.steps.map((each) => each.name),
      // Its little memory is not worth running without.
      handoffSteps.filter((each) => each !== 'serve'),
    );
    await delay(500);
    const { stdout } = await flick.run(['logs', 'mover']);
    const counts = [...stdout.matchAll(/count (\d+)\r\n/g)].map((match) => Number(match[1]));
    assert.deepEqual(
      counts,
      counts.map((_, i) => i),
    );
    const again = await flick.run(['move', 'mover', 'beta']);
    assert.equal(again.status, 1);
    assert.match(again.stderr, /already is on beta/);
  });

  it('refuses with 3 what the check forbids, and the process runs on', async () => {
    const refusal = v.parse(
      v.object({
        error: v.object({
          reason: v.literal('refused'),
          message: v.string(),
          findings: v.array(v.looseObject({ cause: v.string(), severity: v.string() })),
        }),
      }),
      await flick.json(['move', 'mover', 'local'], 3),
    );
    assert.ok(refusal.error.findings.some((each) => each.cause === 'criuMissing'));
    const { status, stdout } = await flick.run(['check', 'mover', 'local']);
    assert.equal(status, 3);
    assert.match(stdout, /✗ blocks .*\n +→ /);
    const told = await flick.run(['move', 'mover', 'local']);
    assert.equal(told.status, 3);
    assert.match(told.stderr, /cannot move from beta to .*\n {2}✗ blocks/);
    const listed = v.parse(
      v.array(v.looseObject({ name: v.string(), device: v.string(), state: v.string() })),
      await flick.json(['ps', '--on', 'beta']),
    );
    assert.deepEqual(
      listed.map(({ name, state }) => [name, state]),
      [['mover', 'running']],
    );
  });

  it('keeps the terminal of flick run while the program moves', async () => {
    const reader = 'echo ready; while read -r line; do eval "$line"; done';
    const person = new Person(flick, [
      ...['run', '--on', 'alpha', '--name', 'shell', '--', 'sh', '-c', reader],
    ]);
    await person.sees(/ready/);
    person.terminal.write('x=kept\r');
    await person.sees(/x=kept/);
    const { status, stdout, stderr } = await flick.run(['move', 'shell', 'beta']);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^shell moved from alpha to beta in .*; it paused for /);
    assert.match(stderr, /shell → beta: freezing it\n/);
    person.terminal.write('echo "<$x>"; exit 21\r');
    await person.sees(/<kept>/);
    assert.equal(await person.ends(), 21);
  });

  it('waits for a process that moves', async () => {
    await flick.json([
      'run',
      '--detach',
      '--on',
      'alpha',
      '--name',
      'waited',
      '--',
      'sleep',
      '1000',
    ]);
    const waiting = flick.json(['wait', 'waited']);
    await delay(700);
    await flick.json(['move', 'waited', 'beta']);
    await flick.json(['kill', 'waited', '--signal', 'USR1']);
    assert.deepEqual(await waiting, { exitCode: null, signal: 'SIGUSR1' });
  });

  it('asks about a host key that it does not know, on the terminal only', async () => {
    const known = join(flick.home, 'known_hosts');
    renameSync(known, `${known}.kept`);
    const refused = await flick.run(['ps', '--on', 'alpha']);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /SHA256:/);
    assert.match(refused.stderr, /no terminal to ask on/);
    const person = new Person(flick, ['ps', '--on', 'alpha']);
    await person.sees(/SHA256:[\s\S]*\[yes\/no\] /);
    person.terminal.write('yes\r');
    assert.equal(await person.ends(), 0);
    const remembered = await flick.run(['ps', '--on', 'alpha']);
    assert.equal(remembered.status, 0);
    renameSync(`${known}.kept`, known);
  });

  it('removes its agent, and says where a device cannot be reached', async () => {
    const busy = await flick.run(['device', 'agent-remove', 'beta']);
    assert.equal(busy.status, 3);
    const removed = await flick.run(['device', 'agent-remove', 'beta', '--force']);
    assert.equal(removed.status, 0, removed.stderr);
    await flick.json(['device', 'add', 'nowhere', 'ssh://127.0.0.1:1']);
    const { status, stdout } = await flick.run(['doctor', 'nowhere']);
    assert.equal(status, 1);
    assert.match(stdout, /^✗ nowhere\n.*could not be reached/);
  });
});
