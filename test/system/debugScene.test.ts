import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { FleetDebugHost } from '../../client/debugHost.ts';
import type { Fleet } from '../../client/fleet.ts';
import { Conversation } from '../debug-adapter/session/conversation.ts';
import { sample } from '../support/seed.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { debugCases, lineOf, startCase, type DebugCase } from './debugging.ts';
import { eventually, fleetOf, LabFixture } from './labFixture.ts';
import { deviceName, type Station } from './stations.ts';

const program = 'orders.ts';

interface Variable {
  readonly name: string;
  readonly value: string;
  readonly variablesReference: number;
}

describe('the scene: a TypeScript program, debugged while it moves', function () {
  this.timeout(120_000);
  let fixture: LabFixture;
  let fleet: Fleet;
  const workspace = temporaryFolder();
  const source = join(workspace.path, 'src', program);

  before(async function () {
    fixture = await LabFixture.up(this, ['alpha', 'beta']);
    fleet = fleetOf(fixture);
    mkdirSync(join(workspace.path, 'src'));
    writeFileSync(source, readFileSync(join(import.meta.dirname, 'programs', program)));
    await build({
      entryPoints: [source],
      outfile: join(workspace.path, 'dist/orders.js'),
      sourcemap: true,
      platform: 'node',
      target: 'node20',
      format: 'cjs',
    });
    for (const user of ['root', 'dev'] as const) {
      for (const name of ['orders.js', 'orders.js.map']) {
        const input = readFileSync(join(workspace.path, 'dist', name));
        const path = `${folderOf(user)}/${name}`;
        const script = 'mkdir -p "$(dirname "$1")" && cat > "$1"';
        await fixture.on('alpha', ['sh', '-c', script, 'sh', path], { user, input });
      }
    }
  });
  after(async () => {
    fleet?.dispose();
    await fixture?.down();
    workspace.remove();
  });

  function folderOf(user: 'root' | 'dev'): string {
    return user === 'root' ? '/root/scene' : '/home/dev/scene';
  }

  /** @param travels whether the process really moves where the scene says so @returns the transcript */
  async function play(each: DebugCase, travels: boolean): Promise<string> {
    const id = await startCase(fixture, each, 'orders', `${folderOf(each.user)}/orders.js`);
    const talk = new Conversation(new FleetDebugHost(fleet));
    talk.hide(workspace.path, '<workspace>');
    const move = async (to: Station): Promise<void> => {
      if (!travels) return;
      const device = deviceName(to, each.user);
      const before = talk.unexpected('process').length;
      await fixture.move(id, device);
      await eventually(
        async () => (talk.unexpected('process').length > before ? true : undefined),
        'the move is told',
      );
      await talk.send('threads');
    };
    const variables = async (
      variablesReference: number,
      wanted: object = {},
    ): Promise<Variable[]> =>
      (await talk.ask<{ variables: Variable[] }>('variables', { variablesReference, ...wanted }))
        .variables;
    const child = (list: readonly Variable[], name: string): Variable => {
      const found = list.find((one) => one.name === name);
      assert.ok(found, `${name} among ${list.map((one) => one.name).join(', ')}`);
      return found;
    };
    const scopes = async (frameId: number): Promise<readonly Variable[]> => {
      const { scopes } = await talk.ask<{ scopes: Variable[] }>('scopes', { frameId });
      return scopes;
    };
    const setBreakpoints = (breakpoints: readonly object[]): Promise<unknown> =>
      talk.ask('setBreakpoints', { source: { path: source }, breakpoints });
    const stack = { threadId: 1, startFrame: 0, levels: 20 };
    const line = (text: string): number => lineOf(program, text);
    try {
      await talk.begin({ process: id, workspaceFolders: [workspace.path] });
      talk.note('a breakpoint with a condition');
      await setBreakpoints([
        { line: line('// priced'), condition: 'round % 5 === 0' },
        { line: line('// in the till'), condition: 'amount === 18' },
      ]);
      await talk.ask('evaluate', { expression: 'open()', context: 'repl' });
      await talk.event('stopped');
      await talk.ask('stackTrace', stack);
      const { id: frameId } = await talk.top();
      const local = await scopes(frameId);
      const locals = await variables(local[0]?.variablesReference ?? 0);

      talk.note('a nested object');
      const address = child(
        await variables(child(locals, 'customer').variablesReference),
        'address',
      );
      const city = child(await variables(address.variablesReference), 'city');
      const zip = child(await variables(city.variablesReference), 'zip');

      talk.note('to beta, stopped');
      await move('beta');
      await variables(zip.variablesReference);
      await variables(city.variablesReference);
      await talk.ask('evaluate', { expression: 'round', frameId, context: 'watch' });

      talk.note('what is edited');
      await talk.ask('setVariable', {
        variablesReference: local[0]?.variablesReference,
        name: 'round',
        value: '6',
      });
      await talk.ask('setVariable', {
        variablesReference: city.variablesReference,
        name: 'name',
        value: '"Shelbyville"',
      });
      const { body } = await talk.send('variables', {
        variablesReference: local[1]?.variablesReference,
      });
      const map = child((body as { variables: Variable[] }).variables, 'customers');
      const entries = child(await variables(map.variablesReference), '[[Entries]]');
      const [entry] = await variables(entries.variablesReference, {
        filter: 'indexed',
        start: 7_777,
        count: 1,
      });
      await variables(entry?.variablesReference ?? 0);
      await talk.ask('setVariable', {
        variablesReference: entries.variablesReference,
        name: '7777',
        value: 'customer',
      });
      await talk.ask('evaluate', { expression: 'customers.get("customer 7777").name', frameId });

      talk.note('steps');
      for (const step of ['stepIn', 'next', 'stepOut', 'next']) {
        await talk.ask(step, { threadId: 1 });
        await talk.event('stopped');
        await talk.ask('stackTrace', stack);
      }

      talk.note('the closure, at the end of an asynchronous chain');
      await talk.ask('continue', { threadId: 1 });
      await talk.event('stopped');
      await talk.ask('stackTrace', stack);
      const inTill = await talk.top();
      const [, closure] = await scopes(inTill.id);
      await variables(closure?.variablesReference ?? 0);
      await talk.ask('setVariable', {
        variablesReference: closure?.variablesReference,
        name: 'takings',
        value: '50000',
      });
      await talk.ask('next', { threadId: 1 });
      await talk.event('stopped');
      await talk.ask('evaluate', { expression: 'before', frameId: (await talk.top()).id });
      await talk.ask('continue', { threadId: 1 });
      await talk.output(/^round 6 /);

      talk.note('the breakpoint is hit again');
      await talk.event('stopped');
      await talk.ask('stackTrace', stack);
      await talk.ask('evaluate', { expression: 'round', frameId: (await talk.top()).id });

      talk.note('back to alpha, running');
      await talk.ask('evaluate', { expression: 'close()', frameId: (await talk.top()).id });
      await talk.ask('continue', { threadId: 1 });
      await talk.output(/^round 10 /);
      await move('alpha');
      await setBreakpoints([{ line: line('// visited'), condition: 'round % 15 === 0' }]);
      await talk.ask('evaluate', { expression: 'open()', context: 'repl' });
      await talk.output(/^round 14 /);
      await talk.event('stopped');
      await talk.ask('next', { threadId: 1 });
      await talk.event('stopped');
      await talk.ask('stackTrace', stack);
      await talk.ask('evaluate', { expression: 'close()', frameId: (await talk.top()).id });
      await talk.ask('continue', { threadId: 1 });

      talk.note('to beta, while the main thread spins');
      await talk.ask('evaluate', { expression: 'spinSoon()', context: 'repl' });
      await talk.output(/^spins/);
      await move('beta');
      await talk.ask('pause', { threadId: 1 });
      await talk.event('stopped');
      const spinning = await talk.top();
      await talk.ask('evaluate', {
        expression: 'Atomics.store(wheel, 0, 0)',
        frameId: spinning.id,
      });
      await talk.ask('continue', { threadId: 1 });
      await talk.output(/^spun/);
      assert.deepEqual(talk.unexpected('terminated', 'exited', 'continued', 'stopped'), []);
      await talk.send('disconnect');
      return talk.transcript;
    } finally {
      if (process.env['FLICK_SHOW_TALK'] === '1') process.stderr.write(talk.transcript);
      talk.dispose();
      await fixture.end(id);
    }
  }

  for (const each of sample('debug scene', debugCases, 2)) {
    it(`is as if it had never moved: ${each.title}`, async () => {
      assert.equal(await play(each, true), await play(each, false));
    });
  }
});
