import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { reservedDescriptors } from './capsule/reserved.ts';
import { rebuildSource } from './parts.ts';
import type { Readiness } from './rebuild/getReady.ts';

export interface RestoreOptions {
  readonly file: string;
  /** The Node.js that goes on with the program, or a command that ends in one. */
  readonly node: string | readonly string[];
  readonly cwd?: string;
  /** Instead of the environment that the program had. */
  readonly env?: NodeJS.ProcessEnv;
  readonly stdio?: StdioOptions;
  /** Arguments of Node.js itself, before the script. */
  readonly args?: readonly string[];
}

/** Where a program that was rebuilt waits for the word to go on. */
export interface RestoreHold {
  /** A FIFO: a byte there lets the program go on, which takes it away then. */
  readonly gate: string;
  /** Written when the program is rebuilt, equal to its capsule, and waits. */
  readonly mark: string;
  /** Gets the sentence why it could not be rebuilt, instead of standard error; what a log should have follows below. */
  readonly failure: string;
}

/**
 * Starts a fresh Node.js that rebuilds the program of a capsule, compares its objects with the capsule and goes on with
 * it. It may be started before there is a capsule. It ends with the program's own status, or with status 70 and a sentence on standard error when it could not be
 * rebuilt; nothing of the program has run then.
 */
export function restoreProgram(
  options: RestoreOptions & { readonly readiness?: Readiness },
): ChildProcess {
  const { cwd, env, stdio = 'inherit' } = options;
  const [node = process.execPath, ...args] = restoreCommand(options);
  // Where a system tells of no open files there are none to be opened again.
  if (!existsSync('/proc/self/fd'))
    return spawn(node, args, { cwd, env: env ?? process.env, stdio });
  const nothing = openSync('/dev/null', 'r');
  try {
    const streams = withReserved(stdio, nothing);
    return spawn(node, args, { cwd, env: env ?? process.env, stdio: streams });
  } finally {
    closeSync(nothing);
  }
}

/** Standard streams, and after them something open under every number that the program's files may have. */
function withReserved(stdio: StdioOptions, nothing: number): StdioOptions {
  const given = typeof stdio === 'string' ? [stdio, stdio, stdio] : stdio;
  return Array.from({ length: Math.max(given.length, reservedDescriptors) }, (_, number) => {
    const own = given[number];
    return number < 3 || (own ?? 'ignore') !== 'ignore' ? own : nothing;
  });
}

/** The command that does so, for those who start it themselves: in a terminal, or in namespaces. */
export function restoreCommand(
  options: Omit<RestoreOptions, 'env' | 'stdio'> & {
    readonly env?: NodeJS.ProcessEnv | undefined;
    readonly hold?: RestoreHold;
    readonly readiness?: Readiness;
  },
): readonly string[] {
  const file = resolve(options.file);
  const node = typeof options.node === 'string' ? [options.node] : options.node;
  const script = placeScript(dirname(file));
  const { cwd, hold, readiness } = options;
  const settings = JSON.stringify({ file, cwd, env: options.env !== undefined, hold, readiness });
  return [...node, ...(options.args ?? []), script, settings];
}

/** Beside the capsule, named by its content: written once, and never seen half-written. */
function placeScript(folder: string): string {
  const hash = createHash('sha256').update(rebuildSource).digest('hex').slice(0, 16);
  const script = join(folder, `flick-rebuild-${hash}.cjs`);
  if (existsSync(script)) return script;
  const temporary = `${script}.${process.pid}.tmp`;
  writeFileSync(temporary, rebuildSource, { mode: 0o600 });
  renameSync(temporary, script);
  return script;
}
