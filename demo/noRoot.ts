import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AgentFile } from '../client/agentFile.ts';
import type { Device } from '../client/device.ts';
import type { DeviceEntry } from '../client/deviceEntry.ts';
import { describeEngine } from '../cli/engine.ts';
import { Fleet } from '../client/fleet.ts';
import { TerminalSession } from '../client/terminalSession.ts';
import { LocalTransport } from '../client/transports/local.ts';
import {
  FlickError,
  handoffStepLabels,
  launchProcess,
  removeAgent,
  signalProcess,
} from '../protocol/index.ts';
import { bold, dim, green, say, timeline } from './screen.ts';

const root = join(import.meta.dirname, '..');
/** How long the program may take for what the demo waits for, in ms. */
const patience = 60_000;

/**
 * Two agents of one ordinary user on this machine, without namespaces, CRIU or any privilege: a Node.js program moves from
 * the one to the other and back.
 */
export async function demoWithoutRoot(): Promise<void> {
  say(bold('Flick: a running Node.js program moves without root, namespaces and CRIU'));
  say();
  // Where namespaces could be had, agents would use them.
  process.env['FLICK_CELLS'] = 'plain';
  const folder = mkdtempSync(join(tmpdir(), 'flick-demo-'));
  const homes = { alpha: join(folder, 'alpha'), beta: join(folder, 'beta') };
  for (const home of Object.values(homes)) mkdirSync(home, { mode: 0o700 });
  const entry: DeviceEntry = { name: 'beta', host: 'localhost' };
  const devices = { version: 1, devices: [entry] };
  writeFileSync(join(homes.alpha, 'devices.json'), JSON.stringify(devices), { mode: 0o600 });
  const fleet = new Fleet({
    home: homes.alpha,
    agentFile: new AgentFile(join(root, 'dist/agent.cjs')),
    createTransport: (given) => new LocalTransport(given === undefined ? homes.alpha : homes.beta),
    prompter: {
      passphrase: () => Promise.resolve(undefined),
      confirmHostKey: () => Promise.resolve(false),
    },
  });
  try {
    await play(fleet);
  } finally {
    for (const device of fleet.devices) {
      await device.request(removeAgent, { force: true }).catch(() => undefined);
    }
    fleet.dispose();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function play(fleet: Fleet): Promise<void> {
  const [alpha, beta] = [fleet.local, fleet.device('beta')];
  await Promise.all([alpha.connect(), beta.connect()]);
  const { process: started } = await alpha.request(launchProcess, {
    command: [process.execPath, 'notebook.cjs'],
    cwd: join(root, 'demo'),
    name: 'notebook',
  });
  say(`With the first agent: node notebook.cjs, which notes what is typed and counts its lines.`);
  const terminal = new TerminalSession(fleet, alpha, started.id);
  const screen = new Screen(terminal);
  terminal.start();
  await screen.shows(/line 3 /);
  terminal.write(Buffer.from('typed before the move\n'));
  await screen.shows(/noted as 1: typed before the move/);
  await move(fleet, started.id, alpha, beta);
  terminal.write(Buffer.from('typed after it\n'));
  await screen.shows(/noted as 2: typed after it/);
  await move(fleet, started.id, beta, alpha);
  terminal.write(Buffer.from('?\n'));
  await screen.shows(/all notes: 1 typed before the move, 2 typed after it/);
  screen.summarise();
  await alpha.request(signalProcess, { id: started.id, signal: 'SIGTERM' });
  await terminal.ended();
  terminal.dispose();
}

async function move(fleet: Fleet, id: string, from: Device, to: Device): Promise<void> {
  const check = await fleet.checkMove(from, id, to);
  say();
  say(`${bold(`${nameOf(from)} → ${nameOf(to)}`)}  ${dim(describeEngine(check))}`);
  const { engine } = check;
  const outcome = await fleet.move(from, id, to, { engine, acceptWarnings: true });
  timeline(outcome.steps.map(({ name, ms }) => ({ label: handoffStepLabels[name], ms })));
  say(
    `    ${green(`it paused for ${outcome.downtimeMs.toFixed(0)} ms`)}, as process ${outcome.pid}`,
  );
}

function nameOf({ isLocal }: Device): string {
  return isLocal ? 'first agent' : 'second agent';
}

/** What the program's terminal has shown so far. */
class Screen {
  #text = '';

  constructor(terminal: TerminalSession) {
    terminal.onOutput((bytes) => (this.#text += bytes.toString('utf8')));
  }

  async shows(pattern: RegExp): Promise<void> {
    for (const deadline = Date.now() + patience; !pattern.test(this.#text); await delay(20)) {
      if (Date.now() < deadline) continue;
      throw new FlickError('internal', `The terminal never showed ${String(pattern)}`);
    }
  }

  summarise(): void {
    say();
    say('The terminal, which was never closed:');
    for (const line of this.#text.trimEnd().split(/\r?\n/).slice(-6)) say(dim(`    ${line}`));
    say();
    const lines = [...this.#text.matchAll(/line (\d+) /g)].map((match) => Number(match[1]));
    if (!lines.every((line, index) => line === index + 1)) {
      throw new FlickError('internal', 'The terminal lost or repeated a line.');
    }
    const notes = 'notes, closure and the loop that it stood in went along';
    say(green(`✓ One program, two agents, there and back, no privileges: ${notes}.`));
  }
}
