import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { build } from 'esbuild';
import { FleetDebugHost } from '../../client/debugHost.ts';
import { Conversation } from '../debug-adapter/session/conversation.ts';
import type { Listed, Moved } from '../support/flick.ts';
import { sample } from '../support/seed.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { Debugger } from './debugging.ts';
import { eventually, fleetOf, LabFixture } from './labFixture.ts';
import { assertGoesOn, assertSaid } from './steady.ts';

const program = '/opt/ledger.cjs';
const node24 = '/opt/flick-lab/clone/.cache/node/24/bin/node';
const criu = '/usr/local/bin/criu';
/** Its command line, as it was started, rebuilt, or titled. */
const copyOf = '^node($| )|flick-rebuild-';
/** Whose agent, and how long after the beginning of the move: before, in and after the standstill. In ms. */
const kills = (['source', 'target'] as const).flatMap((side) =>
  [600, 1_200, 1_600, 2_000, 2_400].map((ms) => [side, ms] as const),
);
const text = readFileSync(join(import.meta.dirname, 'programs/ledger.cjs'), 'utf8');

function lineIn(source: string, words: string): number {
  return source.split('\n').findIndex((line) => line.includes(words)) + 1;
}

function lineOf(words: string): number {
  return lineIn(text, words);
}

interface PortableMove extends Moved {
  readonly engineReason: string | null;
}

interface Check {
  readonly movable: boolean;
  readonly engine: string;
  readonly engineReason: string | null;
  readonly findings: readonly { severity: string; what: string }[];
}

describe('a move by the portable engine', function () {
  this.timeout(120_000);
  let fixture: LabFixture;

  before(async function () {
    this.timeout(90_000);
    fixture = await LabFixture.up(this, ['alpha', 'beta']);
    for (const device of ['alpha', 'beta']) await fixture.place(device, 'ledger.cjs', program);
  });
  after(() => fixture?.down());

  const goesOn = (id: string): Promise<void> => assertGoesOn(fixture, id);

  it('passes a program on with all that it knows, there and back', async () => {
    const id = await fixture.start('alpha', 'ledger', ['node', program]);
    await goesOn(id);
    for (const device of ['beta', 'alpha', 'beta']) {
      const moved = await fixture.flick.json<PortableMove>(['move', id, device, '--engine', 'v8']);
      assert.equal(moved.engine, 'v8');
      assert.equal((await fixture.find(id))?.device, device);
      await goesOn(id);
    }
    assert.deepEqual(await fixture.pidsOf('alpha', program), []);
    await fixture.end(id);
  });

  it('is chosen where CRIU is missing, which is said', async () => {
    const id = await fixture.start('alpha', 'ledger', [node24, program]);
    await goesOn(id);
    await fixture.on('beta', ['mv', criu, `${criu}.kept`]);
    try {
      await fixture.flick.run(['doctor', 'beta']);
      const check = await fixture.flick.json<Check>(['check', id, 'beta']);
      assert.equal(check.movable, true, JSON.stringify(check.findings));
      assert.equal(check.engine, 'v8');
      assert.equal(check.engineReason, 'CRIU cannot be used on beta.');
      const moved = await fixture.flick.run(['move', id, 'beta']);
      assertSaid(moved, 0, /Moved by the portable engine\. CRIU cannot be used on beta\./);
      await goesOn(id);
      const saved = await fixture.flick.json<{ id: string; engine: string }>([
        'capsule',
        'save',
        id,
      ]);
      assert.equal(saved.engine, 'v8');
      await goesOn(id);
      const restored = await fixture.flick.json<Listed>(['capsule', 'restore', saved.id]);
      await goesOn(restored.id);
      await fixture.end(restored.id);
      await fixture.flick.json(['capsule', 'rm', saved.id]);
    } finally {
      await fixture.on('beta', ['mv', `${criu}.kept`, criu]);
      await fixture.flick.run(['doctor', 'beta']);
    }
    await fixture.end(id);
  });

  it('takes breakpoints, variables and their editing along', async () => {
    const id = await fixture.start('alpha', 'ledger', ['node', program]);
    await goesOn(id);
    const fleet = fleetOf(fixture);
    let session: Debugger | undefined;
    try {
      session = await Debugger.attach(fleet, 'alpha', id);
      const before = await session.connected(1);
      await fixture.flick.json<PortableMove>(['move', id, 'beta', '--engine', 'v8']);
      await session.attachedOn('beta');
      assert.equal(session.restarts, 1, 'the session begins anew');
      assert.equal(before.waiting, false);
      await session.main.send('Debugger.enable', {});
      await session.breakAt(program, lineOf('await sleep'));
      const { frame, line } = await session.stop();
      assert.equal(line, lineOf('await sleep'));
      const number = Number(await session.value(frame, 'number'));
      assert.ok(number > 3);
      assert.equal(await session.value(frame, 'size'), number);
      await session.value(frame, 'number += 1000');
      assert.equal(await session.value(frame, 'number'), number + 1000);
      await session.leave();
      await eventually(
        async () =>
          (await fixture.logs(id)).includes(`beat ${number + 1001} but`) ? true : undefined,
        'it goes on with what was edited',
      );
    } finally {
      session?.vanish();
      fleet.dispose();
    }
    await fixture.end(id);
  });

  it('takes breakpoints in TypeScript along, with closures under their names', async () => {
    const workspace = temporaryFolder();
    const source = join(workspace.path, 'src/orders.ts');
    const original = readFileSync(join(import.meta.dirname, 'programs/orders.ts'), 'utf8');
    mkdirSync(join(workspace.path, 'src'));
    writeFileSync(source, original);
    const outfile = join(workspace.path, 'dist/orders.js');
    const format = { platform: 'node', target: 'node20', format: 'cjs' } as const;
    await build({ entryPoints: [source], outfile, sourcemap: true, ...format });
    for (const name of ['orders.js', 'orders.js.map']) {
      const input = readFileSync(join(workspace.path, 'dist', name));
      const script = 'mkdir -p /root/scene && cat > "/root/scene/$1"';
      await fixture.on('alpha', ['sh', '-c', script, 'sh', name], { input });
    }
    const id = await fixture.start('alpha', 'orders', ['node', '/root/scene/orders.js']);
    const fleet = fleetOf(fixture);
    const talk = new Conversation(new FleetDebugHost(fleet));
    try {
      const line = lineIn(original, '// in the till');
      await talk.begin({ process: id, workspaceFolders: [workspace.path] }, () =>
        talk.ask('setBreakpoints', { source: { path: source }, breakpoints: [{ line }] }),
      );
      const seen = talk.unexpected('process', 'breakpoint').length;
      await fixture.flick.json<PortableMove>(['move', id, 'beta', '--engine', 'v8']);
      // Told of the process first; the breakpoint is hollow until it is set in the fresh process.
      await eventually(() => {
        const told = talk.unexpected('process', 'breakpoint').slice(seen);
        const isSet = (told.at(-1)?.body as { breakpoint?: { verified?: boolean } } | undefined)
          ?.breakpoint?.verified;
        return Promise.resolve(isSet === true ? true : undefined);
      }, 'the breakpoint is set again after the move');
      await talk.ask('evaluate', { expression: 'open()', context: 'repl' });
      await talk.event('stopped');
      let top = await talk.top();
      // What follows on the line in another part of the script is stopped at as well (agent/engines/v8/README.md).
      for (let stop = 1; top.line !== line && stop < 8; stop += 1) {
        await talk.ask('continue', { threadId: 1 });
        await talk.event('stopped');
        top = await talk.top();
      }
      assert.equal(top.source?.path, source);
      assert.equal(top.line, line);
      const value = async (expression: string): Promise<string> =>
        (await talk.ask<{ result: string }>('evaluate', { expression, frameId: top.id })).result;
      assert.equal(await value('takings'), '1000');
      const amount = Number(await value('amount'));
      type Scopes = { scopes: { name: string; variablesReference: number }[] };
      const { scopes } = await talk.ask<Scopes>('scopes', { frameId: top.id });
      const { variablesReference } = scopes[1] ?? { variablesReference: 0 };
      await talk.ask('setVariable', { variablesReference, name: 'takings', value: '70000' });
      await talk.ask('setBreakpoints', { source: { path: source }, breakpoints: [] });
      await talk.ask('continue', { threadId: 1 });
      await talk.output(new RegExp(`amount ${amount} takings ${70_000 + amount} `));
      await talk.send('disconnect');
    } finally {
      talk.dispose();
      fleet.dispose();
      await fixture.end(id);
      workspace.remove();
    }
  });

  it('leaves one copy, whenever an agent is killed', async () => {
    const id = await fixture.start('alpha', 'ledger', ['node', program]);
    await goesOn(id);
    for (const [device, ms] of sample('agents killed', kills, 2)) {
      const from = (await fixture.find(id))?.device === 'alpha' ? 'alpha' : 'beta';
      const to = from === 'alpha' ? 'beta' : 'alpha';
      const moving = fixture.flick.run(['move', id, to, '--engine', 'v8']);
      await delay(ms);
      await fixture.killAgent(device === 'source' ? from : to);
      await moving;
      await eventually(
        async () => ((await fixture.find(id))?.state === 'running' ? true : undefined),
        'it runs on one of the two devices',
        60_000,
      );
      await goesOn(id);
      const copies = [
        ...(await fixture.pidsOf('alpha', copyOf)),
        ...(await fixture.pidsOf('beta', copyOf)),
      ];
      assert.equal(copies.length, 1, 'there is one copy');
    }
    await fixture.end(id);
  });

  it('is refused where its port is taken, and serves on', async () => {
    const served = await fixture.start('alpha', 'served', ['node', program, 'serve']);
    await goesOn(served);
    const squat = `require('node:net').createServer().listen(4790, () => console.log('beat 1'))`;
    const squatter = await fixture.start('beta', 'squatter', [node24, '-e', squat]);
    await eventually(
      async () => ((await fixture.logs(squatter)).includes('beat') ? true : undefined),
      'the port is taken',
    );
    const taken = /port 4790, which is taken on this device/;
    assertSaid(await fixture.flick.run(['check', served, 'beta', '--engine', 'v8']), 3, taken);
    assertSaid(await fixture.flick.run(['move', served, 'beta', '--engine', 'v8']), 3, taken);
    await goesOn(served);
    await fixture.end(squatter);
    await fixture.end(served);
  });

  it('is refused where the program cannot be carried, which names the place and leaves it running', async () => {
    const id = await fixture.start('alpha', 'ledger', ['node', program, 'hash']);
    await goesOn(id);
    const check = await fixture.flick.run(['check', id, 'beta', '--engine', 'v8']);
    assertSaid(check, 3, /cannot move/, /hash/i);
    const refused = await fixture.flick.run(['move', id, 'beta', '--engine', 'v8']);
    assertSaid(refused, 3, /cannot move/, /hash/i);
    await goesOn(id);
    await fixture.end(id);
  });
});
