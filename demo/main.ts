import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AgentFile } from '../client/agentFile.ts';
import type { Device } from '../client/device.ts';
import { Fleet } from '../client/fleet.ts';
import { TerminalSession } from '../client/terminalSession.ts';
import { messageOf } from '../common/rpc.ts';
import { FlickError, handoffStepLabels, launchProcess, signalProcess } from '../protocol/index.ts';
import { Lab } from '../test/lab/lab.ts';
import { demoWithoutRoot } from './noRoot.ts';
import { bold, dim, green, say, timeline } from './screen.ts';
import { Visitor } from './visitor.ts';

const root = join(import.meta.dirname, '..');
const home = join(root, '.cache/demo/flick');
const labHome = join(root, '.cache/demo/lab');

/** Two devices, one program with state and an open terminal, moved there and back while somebody uses it. */
async function demo(keep: boolean): Promise<void> {
  say(bold('Flick: a running process moves from one device to another and back'));
  say();
  say('Making two devices out of namespaces, alpha and beta …');
  const places = { flickHome: home, labHome };
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.once(signal, () => void Lab.down(places).finally(() => process.exit(status)));
  }
  // What an interrupted demo left behind would be in the way of this one.
  await Lab.down(places);
  const lab = await Lab.up(['alpha', 'beta'], places);
  let played = false;
  const fleet = new Fleet({
    home,
    agentFile: new AgentFile(join(root, 'dist/agent.cjs')),
    prompter: {
      passphrase: () => Promise.resolve(undefined),
      confirmHostKey: () => Promise.resolve(false),
    },
  });
  try {
    await play(fleet, lab);
    played = true;
  } finally {
    fleet.dispose();
    if (keep && played) sayHowToGoOn();
    else await lab.down();
  }
}

async function play(fleet: Fleet, lab: Lab): Promise<void> {
  const [alpha, beta] = [fleet.device('alpha'), fleet.device('beta')];
  await Promise.all([alpha.connect(), beta.connect()]);
  const program = readFileSync(join(root, 'demo/visitors.cjs'));
  const placed = await lab.exec(
    'alpha',
    ['sh', '-c', 'mkdir -p /root/demo && cat > /root/demo/visitors.cjs'],
    { input: program },
  );
  if (placed.code !== 0) throw new Error(`The program could not be placed: ${placed.stderr}`);

  const { process: started } = await alpha.request(launchProcess, {
    command: ['node', 'visitors.cjs'],
    cwd: '/root/demo',
    name: 'visitors',
  });
  say(`On ${bold('alpha')}: node visitors.cjs, an HTTP server that counts its visitors in memory.`);
  const terminal = new TerminalSession(fleet, alpha, started.id);
  let output = '';
  terminal.onOutput((bytes) => (output += bytes.toString('utf8')));
  terminal.start();
  const visitor = new Visitor([lab.device('alpha').address, lab.device('beta').address]);
  try {
    await visitor.visited(Date.now());
    await delay(1000);
    say('A terminal is open on it, and a visitor asks it every 10 ms.');
    await move(fleet, visitor, started.id, alpha, beta);
    await delay(700);
    await move(fleet, visitor, started.id, beta, alpha);
    await delay(700);
  } finally {
    await visitor.stop();
  }
  summarise(visitor, output);
  await alpha.request(signalProcess, { id: started.id, signal: 'SIGTERM' });
  await terminal.ended();
  terminal.dispose();
}

async function move(
  fleet: Fleet,
  visitor: Visitor,
  id: string,
  from: Device,
  to: Device,
): Promise<void> {
  const before = visitor.visits.at(-1)?.visitors ?? 0;
  say();
  say(`${bold(`${from.name} → ${to.name}`)}  ${dim(`(${before} visitors so far)`)}`);
  const begun = Date.now();
  const outcome = await fleet.move(from, id, to, { acceptWarnings: true });
  const next = await visitor.visited(Date.now());
  timeline(outcome.steps.map(({ name, ms }) => ({ label: handoffStepLabels[name], ms })));
  const megabytes = (outcome.bytesSent / 1e6).toFixed(1);
  say(`    ${outcome.totalMs.toFixed(0)} ms in all, ${megabytes} MB sent`);
  const felt = visitor.longestGap(begun, next.at);
  say(
    `    ${green(`the visitor felt a pause of ${felt} ms`)}, and was counted on: ${next.visitors}`,
  );
}

function summarise(visitor: Visitor, output: string): void {
  const lines = [...output.matchAll(/line (\d+): /g)].map((match) => Number(match[1]));
  const gapless = lines.every((line, index) => line === index + 1);
  say();
  say('The terminal, which was never closed:');
  for (const line of output.trimEnd().split(/\r?\n/).slice(-4)) say(dim(`    ${line}`));
  say();
  if (!visitor.isUnbroken) throw new Error('The count was not carried over.');
  if (!gapless || lines.length < 8) throw new Error('The terminal lost or repeated a line.');
  say(
    green(
      `✓ One process, two devices, there and back: ${visitor.visits.at(-1)?.visitors ?? 0} visitors counted and none forgotten, ${lines.length} lines in one terminal.`,
    ),
  );
}

function sayHowToGoOn(): void {
  say();
  say('The two devices stay. To play with them:');
  say(dim(`    export FLICK_HOME=${home} LAB_HOME=${labHome}`));
  say(dim('    node dist/cli.cjs run --on alpha -- bash      # Ctrl-] leaves it running'));
  say(dim('    node dist/cli.cjs move bash beta'));
  say(dim('    npm run --silent lab -- down                  # when you are done'));
}

async function main(): Promise<void> {
  if (process.argv.includes('--no-root')) {
    await demoWithoutRoot();
    return;
  }
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    throw new FlickError(
      'notSupported',
      'The demo makes two devices out of namespaces, which needs Linux and root.',
      {
        remedy:
          'Run it as root on a Linux machine, or npm run demo -- --no-root. Using Flick itself does not need root.',
      },
    );
  }
  await demo(process.argv.includes('--keep'));
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`\nThe demo failed: ${messageOf(error)}\n`);
    const remedy = error instanceof FlickError ? error.remedy : undefined;
    if (remedy !== undefined) process.stderr.write(`${remedy}\n`);
    process.exit(1);
  },
);
