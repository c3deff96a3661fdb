import { existsSync, readFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../../../common/logger.ts';
import { messageOf } from '../../../common/rpc.ts';
import { FlickError } from '../../../protocol/index.ts';
import type { HeldJob } from '../../processes/cell.ts';
import { makePrivateFolder } from '../../processes/cells.ts';
import type { HeldRestore, PreparedRestore, PrepareOptions } from '../engine.ts';
import { inspectCapsule, readAdvance, reservedDescriptors, restoreCommand } from '../v8/index.ts';
import { earlyVariables, lastingOptions, type ProgramFacts } from './facts.ts';
import { chooseNode } from './node.ts';
import { park, untilGate } from './park.ts';

/** The program at rest, among the images of a handoff. */
export const capsuleName = 'program.img';
/** How long a program that runs is kept waiting for its successor to get ready, and how often is looked, in ms. */
const readyPatience = 4_000;
const lookInterval = 2;

interface FreshOptions extends PrepareOptions {
  readonly id: string;
  readonly logger: Logger;
  /** Where that writes. */
  readonly log: string;
  /** File with what the program told of itself while it runs on: its capsule is still to come. */
  readonly advance?: string;
}

/** A Node.js in a cell that rebuilds a program there, held by the cell's keeper before the first instruction of it. */
export class FreshProcess implements PreparedRestore {
  readonly pid: number;
  readonly ready: Promise<void>;
  readonly #options: FreshOptions;
  readonly #folder: string;
  readonly #job: Promise<HeldJob>;

  private constructor(options: FreshOptions, folder: string, pid: number, job: Promise<HeldJob>) {
    this.pid = pid;
    this.#options = options;
    this.#folder = folder;
    this.#job = job;
    this.ready = this.#untilReady();
  }

  /** @throws {FlickError} `restoreFailed` when it ends at once */
  static async start(options: FreshOptions): Promise<FreshProcess> {
    const { cell, folder: images, advance, terminal } = options;
    const { program } = options.facts as ProgramFacts;
    // Apart from what is received.
    const folder = join(images, 'fresh');
    await makePrivateFolder(folder);
    const at = placesIn(folder);
    const { gate, mark, failure, ready } = at;
    let version: string;
    if (advance === undefined) {
      await rename(join(images, capsuleName), at.capsule);
      version = inspectCapsule(at.capsule).node;
    } else version = readAdvance(advance).node;
    const node = await chooseNode(program.node, version);
    const args = program.options.filter((each) => lastingOptions.test(each));
    const argv = restoreCommand({
      ...{ file: at.capsule, node, args, hold: { gate, mark, failure } },
      ...(advance === undefined ? {} : { readiness: { advance, ready } }),
    });
    const { PATH = '', HOME = '/' } = process.env;
    const early = Object.entries(program.environment).filter(([name]) => earlyVariables.test(name));
    const inner = await cell.launch({
      program: node,
      argv,
      environment: { PATH, HOME, ...Object.fromEntries(early) },
      cwd: '/',
      size: terminal,
      reservedDescriptors,
    });
    const job = park(cell, 'restore', inner, at);
    // Whoever waits for it hears why it failed.
    job.catch(() => undefined);
    try {
      await Promise.race([untilGate(at), job]);
      return new FreshProcess(options, folder, await cell.hostPidOf(inner), job);
    } catch (error) {
      throw failed(options, folder, error);
    }
  }

  async restore(): Promise<HeldRestore> {
    const { folder, advance } = this.#options;
    try {
      // It begins when that is there.
      if (advance !== undefined) {
        await rename(join(folder, capsuleName), placesIn(this.#folder).capsule);
      }
      const job = await this.#job;
      return {
        pid: this.pid,
        pin: () => job.pin(),
        resume: async () => {
          try {
            await job.verdict(true);
          } catch (error) {
            throw failed(this.#options, this.#folder, error);
          }
        },
        abort: () => job.verdict(false),
      };
    } catch (error) {
      throw failed(this.#options, this.#folder, error);
    }
  }

  async #untilReady(): Promise<void> {
    if (this.#options.advance === undefined) return;
    const { ready } = placesIn(this.#folder);
    let isOver = false;
    void this.#job.catch(() => undefined).then(() => (isOver = true));
    const deadline = performance.now() + readyPatience;
    while (!isOver && !existsSync(ready) && performance.now() < deadline) await delay(lookInterval);
  }
}

/** What it is told, and tells, by files. */
function placesIn(folder: string) {
  return {
    capsule: join(folder, 'capsule'),
    gate: join(folder, 'gate'),
    mark: join(folder, 'rebuilt'),
    failure: join(folder, 'failure'),
    ready: join(folder, 'ready'),
  };
}

function failed({ id, logger, log }: FreshOptions, folder: string, cause: unknown): FlickError {
  let why = '';
  try {
    why = readFileSync(placesIn(folder).failure, 'utf8').trim();
  } catch {
    // It could not say.
  }
  logger.log('warn', 'a program could not be rebuilt', { id, why: why || messageOf(cause) });
  const [sentence = '', ...details] = why.split('\n');
  return new FlickError(
    'restoreFailed',
    sentence === '' ? `The program could not be rebuilt: ${messageOf(cause)}` : sentence,
    {
      remedy: 'It runs on where it was.',
      ...(details.length === 0 ? {} : { logPath: log }),
      cause,
    },
  );
}
