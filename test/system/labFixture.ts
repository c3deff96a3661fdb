import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AgentFile } from '../../client/agentFile.ts';
import { Fleet } from '../../client/fleet.ts';
import { waitForExit } from '../../client/waitForExit.ts';
import { forgetProcess, openTerminal, signalProcess } from '../../protocol/index.ts';
import { FlickCommand, type Listed, type Moved, type Ran } from '../support/flick.ts';
import { requireProvisioned, requireRoot, root } from '../support/provisioned.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { Lab } from '../lab/lab.ts';

/** How long a killed process may take to be gone, in ms. */
const endLimitMs = 30_000;
const programs = join(import.meta.dirname, 'programs');

/** Two or more lab devices and the command line that knows them. */
export class LabFixture {
  readonly lab: Lab;
  readonly flick: FlickCommand;
  readonly #remove: () => void;

  private constructor(lab: Lab, flick: FlickCommand, remove: () => void) {
    this.lab = lab;
    this.flick = flick;
    this.#remove = remove;
  }

  /** Skips the suite where devices cannot be made. To be called from a `before` hook. */
  static async up(
    context: Mocha.Context,
    names: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ): Promise<LabFixture> {
    requireRoot(context);
    requireProvisioned(context, 'criu');
    FlickCommand.requireBuilt(context);
    const folder = temporaryFolder();
    const flickHome = join(folder.path, 'flick');
    const lab = await Lab.up(names, { flickHome, labHome: join(folder.path, 'lab') });
    return new LabFixture(lab, new FlickCommand(flickHome, env), folder.remove);
  }

  async down(): Promise<void> {
    await this.lab.down();
    this.#remove();
  }

  /** Runs a command on a device and expects it to succeed. @returns what it printed */
  async on(
    device: string,
    argv: readonly string[],
    options: { user?: 'root' | 'dev'; input?: string | Buffer } = {},
  ): Promise<string> {
    const { code, stdout, stderr } = await this.lab.exec(device, argv, options);
    if (code !== 0) throw new Error(`${argv.join(' ')} on ${device}: ${code}\n${stdout}${stderr}`);
    return stdout;
  }

  /** Puts one of the test programs onto a device. */
  async place(
    device: string,
    program: string,
    path: string,
    user: 'root' | 'dev' = 'root',
  ): Promise<void> {
    const input = readFileSync(join(programs, program));
    await this.on(device, ['sh', '-c', 'mkdir -p "$(dirname "$1")" && cat > "$1"', 'sh', path], {
      user,
      input,
    });
  }

  /** Starts a process and answers its id. */
  async start(
    device: string,
    name: string,
    command: readonly string[],
    options: readonly string[] = [],
  ): Promise<string> {
    const { id } = await this.flick.json<Listed>([
      'run',
      '--detach',
      '--on',
      device,
      '--name',
      name,
      ...options,
      '--',
      ...command,
    ]);
    return id;
  }

  async move(id: string, device: string): Promise<Moved> {
    return this.flick.json<Moved>(['move', id, device]);
  }

  /** A move that is expected to fail. */
  async refuse(id: string, device: string): Promise<Ran> {
    return this.flick.run(['move', id, device]);
  }

  async list(): Promise<Listed[]> {
    return this.flick.json<Listed[]>(['ps']);
  }

  async find(id: string): Promise<Listed | undefined> {
    return (await this.list()).find((each) => each.id === id);
  }

  /** All that a process has written; nothing where it cannot be asked. */
  async logs(id: string): Promise<string> {
    return this.asClient((fleet) => writtenBy(fleet, id)).catch(() => '');
  }

  /** Has a client that lives as long as `use`, like a command's, but without a start of Node.js each time. */
  async asClient<T>(use: (fleet: Fleet) => Promise<T>): Promise<T> {
    const fleet = fleetOf(this);
    try {
      return await use(fleet);
    } finally {
      fleet.dispose();
    }
  }

  /** Host PIDs on a device of processes whose command line holds the text; those that ask are left out. */
  async pidsOf(device: string, text: string): Promise<number[]> {
    const { stdout } = await this.lab.exec(device, ['pgrep', '-f', '--', text]);
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map(Number);
  }

  /**
   * Kills the agent of root on a device, and waits until it is gone; the next client starts it again. There are two for a
   * moment where two clients have just started one.
   */
  async killAgent(device: string): Promise<void> {
    const running = async (): Promise<string[]> => {
      const command = ['pgrep', '-u', 'root', '-f', 'agent.cjs daemon$'];
      const { stdout } = await this.lab.exec(device, command);
      return stdout.split('\n').filter((line) => line !== '');
    };
    const found = await eventually(async () => {
      const pids = await running();
      return pids.length > 0 ? pids : undefined;
    }, `an agent runs on ${device}`);
    await this.lab.exec(device, ['kill', '-9', ...found]);
    await eventually(async () => {
      const left = await running();
      return found.some((pid) => left.includes(pid)) ? undefined : true;
    }, `the agent of ${device} is gone`);
  }

  /** Starts the device's agent again with little patience for links that are away. */
  async makeImpatient(device: string): Promise<void> {
    await this.on(device, ['sh', '-c', impatient]);
  }

  /** Agents of alpha and beta do not reach each other any more; this machine reaches both. */
  async cutDirectWay(): Promise<void> {
    await this.on('alpha', ['ip', 'route', 'add', 'blackhole', this.#routeToBeta]);
  }

  async joinDirectWay(): Promise<void> {
    await this.lab.exec('alpha', ['ip', 'route', 'del', 'blackhole', this.#routeToBeta]);
  }

  get #routeToBeta(): string {
    return `${this.lab.device('beta').address}/32`;
  }

  /** Ends a process, if it has not ended yet, and has it forgotten. */
  async end(id: string): Promise<void> {
    await this.asClient(async (fleet) => {
      const found = await fleet.findProcess(id);
      await found.device.request(signalProcess, { id, signal: 'SIGKILL' }).catch(() => undefined);
      await waitForExit(fleet, found, AbortSignal.timeout(endLimitMs)).catch(() => undefined);
      const { device } = await fleet.findProcess(id);
      await device.request(forgetProcess, { id });
    }).catch(() => undefined);
  }
}

const impatient = `
pid=$(pgrep -u root -f 'agent.cjs daemon$')
node=$(readlink /proc/$pid/exe)
file=$(tr '\\0' '\\n' < /proc/$pid/cmdline | grep 'agent.cjs$')
kill -9 $pid
FLICK_LINK_PATIENCE=1500 "$node" "$file" start > /dev/null`;

/** A client of the devices of a fixture that lives in this process, as an editor's would. */
export function fleetOf(fixture: LabFixture): Fleet {
  return new Fleet({
    home: fixture.lab.flickHome,
    agentFile: new AgentFile(join(root, 'dist', 'agent.cjs')),
    prompter: {
      passphrase: () => Promise.resolve(undefined),
      confirmHostKey: () => Promise.resolve(false),
    },
  });
}

/** What a process has written, as its terminal keeps it. */
export async function writtenBy(fleet: Fleet, id: string): Promise<string> {
  const { device } = await fleet.findProcess(id);
  const { ticket } = await device.request(openTerminal, { id, follow: false });
  const stream = await device.openStream(ticket);
  try {
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString('utf8');
  } finally {
    stream.destroy();
  }
}

/** Waits for something to become true. @throws with `what` when it does not in time */
export async function eventually<T>(
  look: () => Promise<T | undefined>,
  what: string,
  timeoutMs = 15_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    // What is thrown at once counts like what is rejected later.
    const seen = await Promise.resolve()
      .then(look)
      .catch(() => undefined);
    if (seen !== undefined) return seen;
    if (Date.now() > deadline) throw new Error(`It did not happen in ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/**
 * Numbers of the lines `beat N`; a copy that ran twice would leave a number twice, a lost one a gap. One that is only being
 * written may have come in part.
 */
export function beats(output: string): number[] {
  return [...output.matchAll(/beat (\d+)\s/g)].map((match) => Number(match[1]));
}

/** @returns what is wrong with a sequence that should rise by one, or undefined */
export function broken(sequence: readonly number[]): string | undefined {
  for (let index = 1; index < sequence.length; index += 1) {
    const before = sequence[index - 1] ?? 0;
    const here = sequence[index] ?? 0;
    if (here !== before + 1) return `${here} follows ${before}`;
  }
  return undefined;
}
