import type { Command } from 'commander';
import { Option } from 'commander';
import { resolve } from 'node:path';
import { realpathSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { findAgentFile, shippedFile } from '../client/agentFile.ts';
import { Fleet } from '../client/fleet.ts';
import { flickHome } from '../client/flickHome.ts';
import { jsonLineLogger, silentLogger } from '../common/logger.ts';
import { Output } from './output.ts';
import { TtyPrompter } from './ttyPrompter.ts';

/** How long a command that is over waits for what it settles by the way, in ms. */
const settlePatience = 4_000;

/** Gives the program another exit status than 0, such as that of the process it ran. */
export type SetStatus = (status: number) => void;

/** What every command works with; made once per run. */
export class Cli {
  readonly output: Output;
  readonly environment: NodeJS.ProcessEnv;
  readonly #bundle: string;
  #fleet: Fleet | undefined;
  #interrupted: (() => void) | undefined;

  /** @param bundle path of the running program, beside which the agent lies */
  constructor(options: {
    readonly json: boolean;
    readonly bundle: string;
    readonly environment?: NodeJS.ProcessEnv;
  }) {
    this.environment = options.environment ?? process.env;
    this.#bundle = options.bundle;
    this.output = new Output({
      json: options.json,
      stdout: process.stdout,
      stderr: process.stderr,
    });
  }

  /** @throws {FlickError} when the device list cannot be used */
  get fleet(): Fleet {
    if (this.#fleet === undefined) {
      this.#fleet = new Fleet({
        home: flickHome(this.environment),
        agentFile: findAgentFile(this.#bundle, this.environment),
        prompter: new TtyPrompter(this.output),
        logger:
          this.environment['FLICK_DEBUG'] === undefined
            ? silentLogger
            : jsonLineLogger((line) => process.stderr.write(line), 'debug'),
      });
    }
    const problem = this.#fleet.configurationProblem;
    if (problem !== undefined) throw problem;
    return this.#fleet;
  }

  /** The bundle of CRIU that comes with Flick, for devices whose package manager has none that is new enough. */
  get criuBundle(): string | undefined {
    return shippedFile(
      this.#bundle,
      'criu-bundle-x64.tar.gz',
      'FLICK_CRIU_BUNDLE',
      this.environment,
    );
  }

  /**
   * Gives the first Ctrl-C to `handler` in place of ending the program; the second one ends it in any case.
   * @returns a function that ends this
   */
  onInterrupt(handler: () => void): () => void {
    this.#interrupted = handler;
    return () => {
      if (this.#interrupted === handler) this.#interrupted = undefined;
    };
  }

  /** @returns false when nobody wanted to handle it */
  interrupt(): boolean {
    const handler = this.#interrupted;
    this.#interrupted = undefined;
    handler?.();
    return handler !== undefined;
  }

  /** Lets go once moves in doubt are settled that this command came across, or soon. */
  async end(): Promise<void> {
    await Promise.race([this.#fleet?.settled(), delay(settlePatience, undefined, { ref: false })]);
    this.dispose();
  }

  dispose(): void {
    this.output.clearStatus();
    this.#fleet?.dispose();
    this.#fleet = undefined;
  }
}

/** The path of the running program with links resolved, as `flick` may be a link to it. */
export function runningBundle(): string {
  const path = resolve(process.argv[1] ?? '.');
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** A command with the options that all of them take. */
export function leaf(parent: Command, nameAndArguments: string, description: string): Command {
  return parent
    .command(nameAndArguments)
    .description(description)
    .addOption(new Option('--json', 'print the result as one JSON document'));
}

/** For options that may be given several times. */
export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}
