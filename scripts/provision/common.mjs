import { spawn } from 'node:child_process';
import { accessSync, constants, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * What a provisioning step reports. `reason` says in one sentence what is left out and why.
 * @typedef {{ ok: true } | { ok: false, reason: string }} Provisioned
 */

/** The root of the clone. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Everything that provisioning keeps between runs and that is not installed on the system. */
export const cache = join(root, '.cache');

/** @type {{ ok: true }} */
export const ready = Object.freeze({ ok: true });

/**
 * @param {string} reason
 * @returns {{ ok: false, reason: string }}
 */
export function leftOut(reason) {
  return { ok: false, reason };
}

/**
 * The one line that a step prints when it really installs something. On stderr, because the lab's
 * and the command line's stdout belong to their own output.
 * @param {string} what
 * @param {string} why
 */
export function announce(what, why) {
  process.stderr.write(`installing ${what}: ${why}\n`);
}

/**
 * Runs a program to its end with its output kept back.
 * @param {readonly string[]} argv
 * @param {{ cwd?: string, env?: Record<string, string> }} [options]
 * @returns {Promise<{ code: number, output: string }>} `code` is 127 where the program is missing.
 */
export function run([command, ...args], options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const keep = (chunk) => (output += chunk);
    child.stdout.setEncoding('utf8').on('data', keep);
    child.stderr.setEncoding('utf8').on('data', keep);
    child.on('error', (error) => resolve({ code: 127, output: error.message }));
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

/**
 * Like {@link run}, but a failure is an error that carries the end of the output.
 * @param {readonly string[]} argv
 * @param {{ cwd?: string, env?: Record<string, string> }} [options]
 * @returns {Promise<string>}
 */
export async function mustRun(argv, options) {
  const { code, output } = await run(argv, options);
  if (code === 0) return output;
  const tail = output.trim().split('\n').slice(-3).join(' | ');
  throw new Error(`${argv.slice(0, 2).join(' ')} failed with status ${String(code)}: ${tail}`);
}

/**
 * Looks a program up where the system keeps programs; root's PATH often lacks the sbin folders.
 * @param {string} program name, or absolute path of any file
 */
export function isThere(program) {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  const candidates = program.startsWith('/') ? [program] : folders.map((at) => join(at, program));
  return candidates.some((path) => {
    try {
      accessSync(path, program.startsWith('/') ? constants.R_OK : constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * Fills a folder beside `target` and renames it into place when it is complete, so that an
 * interrupted installation is never taken for a finished one.
 * @param {string} target
 * @param {(folder: string) => Promise<void>} fill
 */
export async function fillFolder(target, fill) {
  mkdirSync(dirname(target), { recursive: true });
  const fresh = mkdtempSync(`${target}.new-`);
  try {
    await fill(fresh);
    rmSync(target, { recursive: true, force: true });
    try {
      renameSync(fresh, target);
    } catch (error) {
      // Another run has finished the same installation in the meantime.
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    }
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

/**
 * Turns what a step throws into a reason.
 * @param {string} what
 * @param {() => Promise<void>} step
 * @returns {Promise<Provisioned>}
 */
export async function attempt(what, step) {
  try {
    await step();
    return ready;
  } catch (error) {
    return leftOut(`${what} left out: ${error instanceof Error ? error.message : String(error)}`);
  }
}
