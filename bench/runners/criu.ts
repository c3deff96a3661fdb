import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { childrenOf } from '../../test/lab/processes.ts';
import { endTree, firstData, output, start, type Command, type Started } from '../commands.ts';
import { raisePipeLimits } from '../pipeLimits.ts';
import { onDevice, other, ports, type DeviceName, type Stage } from '../stage.ts';
import {
  askingScript,
  type Hop,
  type Runner,
  type Subject,
  type WorkloadOptions,
} from './runner.ts';

const cellScript = `${onDevice.programs}/criuCell.sh`;
const lazyOptions = ['--lazy-pages'];

/** Plain `criu dump`, a copy of the images, `criu restore`; or the same with lazy pages. */
export class CriuRunner implements Runner {
  readonly name: 'criu' | 'criuLazy';
  readonly #stage: Stage;
  readonly #lowerPipeLimits: (() => void) | undefined;

  constructor(stage: Stage, name: 'criu' | 'criuLazy') {
    this.#stage = stage;
    this.name = name;
    this.#lowerPipeLimits = name === 'criuLazy' ? raisePipeLimits() : undefined;
  }

  async launch({ sizeMb, percentPerSecond }: WorkloadOptions): Promise<Subject> {
    const program = `${onDevice.programs}/workload.cjs`;
    const words = [ports.workload, sizeMb, percentPerSecond].map(String);
    const argv = ['bash', cellScript, 'launch', 'node', program, ...words];
    const cell = start(this.#stage.on('alpha', argv));
    const pid = Number(await cell.line());
    return new CriuSubject(this.#stage, cell, pid, this.name === 'criuLazy');
  }

  close(): Promise<void> {
    this.#lowerPipeLimits?.();
    return Promise.resolve();
  }
}

class CriuSubject implements Subject {
  device: DeviceName = 'alpha';
  readonly #stage: Stage;
  readonly #lazy: boolean;
  /** Its PID in its cell. */
  readonly #pid: number;
  #cell: Started;
  /** What may still run. */
  readonly #started = new Set<Started>();

  constructor(stage: Stage, cell: Started, pid: number, lazy: boolean) {
    this.#stage = stage;
    this.#cell = cell;
    this.#started.add(cell);
    this.#pid = pid;
    this.#lazy = lazy;
  }

  ask(command: string): Promise<string> {
    return output(this.#stage.on(this.device, [...askingScript(ports.workload), command]));
  }

  async move(): Promise<Hop> {
    const from = this.device;
    const to = other(from);
    const source = this.#stage.freshFolder(from, 'images');
    const target = this.#stage.freshFolder(to, 'images');
    try {
      const move = { from, to, source, target };
      return this.#lazy ? await this.#moveLazily(move) : await this.#stopAndCopy(move);
    } catch (error) {
      throw new Error(`${String(error)} ${complaints([source.outside, target.outside])}`);
    } finally {
      for (const { outside } of [source, target]) rmSync(outside, { recursive: true, force: true });
    }
  }

  async end(): Promise<void> {
    for (const each of this.#started) await endTree(each);
  }

  async #stopAndCopy({ from, to, source, target }: Move): Promise<Hop> {
    const old = this.#cell;
    const copy = await this.#stage.prepareCopy(from, target.outside);
    const startedAt = Date.now();
    const dump = this.#start(this.#inCell('dump', source.inside));
    const dumpMs = await durationOf(dump);
    await dump.ended;
    const copyFrom = Date.now();
    await copy(source.outside);
    const copyMs = Date.now() - copyFrom;
    const restoreMs = await this.#restore(to, target.inside, []);
    const endedAt = Date.now();
    await endTree(old);
    const parts = { dumpMs, copyMs, restoreMs };
    return { startedAt, endedAt, toolMs: dumpMs + restoreMs, parts };
  }

  async #moveLazily({ from, to, source, target }: Move): Promise<Hop> {
    const copy = await this.#stage.prepareCopy(from, target.outside);
    const startedAt = Date.now();
    const server = ['--address', this.#stage.address(from), '--port', String(ports.pages)];
    // The descriptor on which it says that all but the pages is written and that it serves those.
    const options = [...lazyOptions, ...server, '--status-fd', '3'];
    const dump = this.#start(this.#inCell('dump', source.inside, ...options), true);
    const began = moment(await dump.line());
    const readyMs = (await firstData(dump)) - began;
    const copyFrom = Date.now();
    await copy(source.outside);
    const copyMs = Date.now() - copyFrom;
    const daemonFrom = Date.now();
    const daemon = ['criu', 'lazy-pages', '--page-server', ...server, '-D', target.inside];
    const pages = this.#start(this.#stage.on(to, [...daemon, '-o', 'lazy.log']));
    const socket = join(target.outside, 'lazy-pages.socket');
    while (!existsSync(socket)) {
      await Promise.race([sleep(2), pages.ended]);
    }
    const daemonMs = Date.now() - daemonFrom;
    const old = this.#cell;
    const restoreMs = await this.#restore(to, target.inside, lazyOptions);
    await Promise.all([pages.ended, dump.ended]);
    const endedAt = Date.now();
    await endTree(old);
    const parts = { readyMs, copyMs, daemonMs, restoreMs };
    return { startedAt, endedAt, toolMs: readyMs + restoreMs, parts };
  }

  /** @returns how long CRIU took, in ms */
  async #restore(to: DeviceName, images: string, options: readonly string[]): Promise<number> {
    const argv = ['bash', cellScript, 'restore', images, ...options];
    const cell = this.#start(this.#stage.on(to, argv));
    const restoreMs = await durationOf(cell);
    this.#cell = cell;
    this.device = to;
    return restoreMs;
  }

  #start(command: Command, extra = false): Started {
    const started = start(command, extra);
    this.#started.add(started);
    const forget = (): void => void this.#started.delete(started);
    started.ended.then(forget, forget);
    return started;
  }

  /** A command of criuCell.sh in the process's cell. */
  #inCell(action: string, images: string, ...options: string[]): Command {
    const { env } = this.#stage.on(this.device, []);
    const init = initOf(this.#cell);
    const enter = ['nsenter', '-t', String(init), '-m', '-u', '-i', '-n', '-p', '-C', '--'];
    const argv = ['bash', cellScript, action, String(this.#pid), images, ...options];
    return { argv: [...enter, ...argv], ...(env === undefined ? {} : { env }) };
  }
}

interface Folder {
  readonly inside: string;
  readonly outside: string;
}

interface Move {
  readonly from: DeviceName;
  readonly to: DeviceName;
  readonly source: Folder;
  readonly target: Folder;
}

/** The PID of a cell's first process: what `nsenter` forked runs `unshare`, which forked that one. */
function initOf({ child }: Started): number {
  const unshare = childrenOf(child.pid ?? 0)[0] ?? 0;
  const init = childrenOf(unshare)[0];
  if (init === undefined) throw new Error('The process has ended');
  return init;
}

/** What CRIU itself said of a failure, from the logs in some folders. */
function complaints(folders: readonly string[]): string {
  return folders
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
    .filter((path) => path.endsWith('.log'))
    .flatMap((path) => readFileSync(path, 'utf8').split('\n'))
    .filter((line) => line.includes('Error'))
    .slice(-3)
    .join(' ');
}

/** The ms between the two moments that criuCell.sh prints. */
async function durationOf(tool: Started): Promise<number> {
  const began = moment(await tool.line());
  return moment(await tool.line()) - began;
}

/** A moment in seconds as bash's EPOCHREALTIME has it, in ms since the epoch. */
function moment(line: string): number {
  return Number(line) * 1000;
}
