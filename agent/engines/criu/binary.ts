import { access, constants } from 'node:fs/promises';
import { release } from 'node:os';
import { delimiter, join } from 'node:path';
import type { EngineStatus, Finding } from '../../../protocol/index.ts';
import { oldestCriuFor } from '../../device/packages.ts';
import { run } from '../../device/run.ts';
import { hasNamespaces } from '../../device/userNamespaces.ts';

export interface CriuBinary {
  readonly path: string;
  /** As `criu --version` prints it: `4.2.1`. */
  readonly version: string;
}

/** What this device can do with CRIU. `binary` is present whenever one was found, even if it is too old or broken. */
export interface CriuState {
  readonly binary: CriuBinary | undefined;
  readonly status: EngineStatus;
}

export interface CriuProbe {
  readonly flickHome: string;
  /** Defaults to the agent's own. FLICK_CRIU in it names the one CRIU to use. */
  readonly environment?: NodeJS.ProcessEnv;
}

/** Folders that an ordinary user's PATH often lacks. */
const systemFolders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin'];

/** CRIU's own texts when nothing but its privileges are missing. */
const lacksPrivileges = /CRIU needs to have the CAP_|Operation not permitted|Permission denied/;

/**
 * Complaints of `criu check` that an ordinary user's CRIU always has: the network namespace is not the user's, so TCP
 * connections cannot be repaired; they are closed by a move there anyway.
 */
const harmless =
  /net: Unexpected error: -1\(Operation not permitted\)|Can't turn TCP repair mode ON|Does not look good|XDG_RUNTIME_DIR not set/;

const setUp =
  'Run “flick device setup NAME” for this device; it says what it will install and asks.';

const kept = new Map<string, Promise<CriuState>>();

/**
 * Finds CRIU and tries it out. The result is kept until `refresh`, or until the program that was found is gone; probing
 * takes some 100 ms.
 */
export async function criuState(probe: CriuProbe, refresh = false): Promise<CriuState> {
  const environment = probe.environment ?? process.env;
  const key = JSON.stringify([probe.flickHome, environment['FLICK_CRIU'], environment['PATH']]);
  const known = refresh ? undefined : await kept.get(key);
  const path = known?.binary?.path;
  if (known !== undefined && (path === undefined || (await isExecutable(path)))) return known;
  const state = examine(probe.flickHome, environment);
  kept.set(key, state);
  return state;
}

/** The version in the output of `criu --version` (`Version: 4.2.1`); undefined when it is not CRIU's. */
export function parseVersion(output: string): string | undefined {
  return /^Version:\s*(\d+(?:\.\d+)*)/m.exec(output)?.[1];
}

/** Negative, zero or positive as the first version is older than, equal to or newer than the second. */
export function compareVersions(first: string, second: string): number {
  const left = first.split('.').map(Number);
  const right = second.split('.').map(Number);
  for (let at = 0; at < Math.max(left.length, right.length); at += 1) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

async function examine(flickHome: string, environment: NodeJS.ProcessEnv): Promise<CriuState> {
  const found = await findBinaries(flickHome, environment);
  found.sort((a, b) => compareVersions(b.version, a.version));
  const newest = found[0];
  if (newest === undefined) return stateOf(undefined, [missing(environment)]);
  let best: CriuState | undefined;
  for (const binary of found) {
    const state = stateOf(binary, await tryOut(binary));
    if (state.status.available) return state;
    best ??= state;
  }
  return best ?? stateOf(newest, []);
}

async function findBinaries(
  flickHome: string,
  environment: NodeJS.ProcessEnv,
): Promise<CriuBinary[]> {
  const chosen = environment['FLICK_CRIU'];
  const folders = [...(environment['PATH'] ?? '').split(delimiter), ...systemFolders];
  const paths =
    chosen === undefined || chosen === ''
      ? [join(flickHome, 'criu', 'criu'), ...folders.map((folder) => join(folder, 'criu'))]
      : [chosen];
  const found: CriuBinary[] = [];
  for (const path of new Set(paths.filter((each) => each.startsWith('/')))) {
    if (!(await isExecutable(path))) continue;
    const { code, stdout } = await run([path, '--version'], { timeoutMs: 10_000 });
    const version = parseVersion(stdout);
    if (code === 0 && version !== undefined) found.push({ path, version });
  }
  return found;
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** Findings that make this CRIU unusable here; none when it works. */
async function tryOut(binary: CriuBinary): Promise<Finding[]> {
  const kernel = release();
  const oldest = oldestCriuFor(kernel);
  if (compareVersions(binary.version, oldest) < 0) {
    return [
      finding(
        'criuTooOld',
        `CRIU ${binary.version} (${binary.path}) is too old for Linux ${kernel}, which needs CRIU ${oldest} or newer.`,
        setUp,
      ),
    ];
  }
  return process.getuid?.() === 0 ? tryAsRoot(binary) : tryUnprivileged(binary);
}

async function tryAsRoot(binary: CriuBinary): Promise<Finding[]> {
  const { code, stderr, stdout } = await run([binary.path, 'check'], { timeoutMs: 30_000 });
  if (code === 0) return [];
  const said = lastError(`${stdout}\n${stderr}`);
  if (lacksPrivileges.test(said)) {
    return [
      finding(
        'permission',
        `CRIU ${binary.version} may not do its work here although the agent runs as root: ${said}`,
        'Give the container or virtual machine the capabilities SYS_ADMIN, SYS_PTRACE and CHECKPOINT_RESTORE, and run “flick doctor” again.',
      ),
    ];
  }
  return [broken(binary, said)];
}

/** Without namespaces there is no cell that CRIU could work in. */
function namespacesMissing(): Finding {
  return finding(
    'userNamespaces',
    process.getuid?.() === 0
      ? 'This device does not let the agent make PID and mount namespaces, in which CRIU works.'
      : 'This device does not let ordinary users make user namespaces, in which CRIU works without root.',
    `${setUp} It can allow them with sudo; or log in to the device as root.`,
  );
}

/** An ordinary user's CRIU runs inside a user namespace, and so it is tried there (user_namespaces(7)). */
async function tryUnprivileged(binary: CriuBinary): Promise<Finding[]> {
  if (!(await hasNamespaces())) return [namespacesMissing()];
  const { code, stdout, stderr } = await run(
    ['unshare', '--user', '--map-root-user', binary.path, 'check', '--unprivileged'],
    { timeoutMs: 30_000 },
  );
  // 127: no `unshare` on the device; the keeper makes namespaces itself, so nothing is known to be wrong.
  if (code === 0 || code === 127) return [];
  const complaints = `${stdout}\n${stderr}`
    .split('\n')
    .filter((line) => /\bError\b|FAIL|Does not/.test(line) && !harmless.test(line));
  const last = complaints.at(-1);
  return last === undefined ? [] : [broken(binary, clean(last))];
}

function broken(binary: CriuBinary, said: string): Finding {
  return finding(
    'criuBroken',
    `CRIU ${binary.version} (${binary.path}) does not work on Linux ${release()}: ${said}`,
    `${setUp} Should it be new enough already, remove /run/criu.kdat, where CRIU keeps what it knows of another kernel.`,
  );
}

function missing(environment: NodeJS.ProcessEnv): Finding {
  const chosen = environment['FLICK_CRIU'];
  if (chosen !== undefined && chosen !== '') {
    return finding(
      'criuMissing',
      `FLICK_CRIU names ${chosen}, which is not a CRIU that starts.`,
      'Let FLICK_CRIU name the absolute path of a criu program, or unset it, and start the agent again.',
    );
  }
  return finding('criuMissing', 'CRIU is not installed on this device.', setUp);
}

function finding(cause: Finding['cause'], what: string, remedy: string): Finding {
  return { cause, severity: 'blocks', side: 'source', what, remedy };
}

function stateOf(binary: CriuBinary | undefined, findings: readonly Finding[]): CriuState {
  return {
    binary,
    status: {
      engine: 'criu',
      available: binary !== undefined && findings.length === 0,
      ...(binary === undefined ? {} : { version: binary.version }),
      findings: [...findings],
    },
  };
}

/** The last line that says what is wrong; the very last ones of `criu check` are only its verdict. */
function lastError(output: string): string {
  const lines = output.split('\n').filter((line) => line.trim() !== '');
  const errors = lines.filter((line) => /CRIU needs to have|\bError\b/.test(line));
  return clean(errors[0] ?? lines.at(-1) ?? 'it says nothing');
}

/** Without the place in CRIU's source code. */
function clean(line: string): string {
  return line
    .replace(/^.*?(?:Error|Warn)\s*\([^)]*\):\s*/, '')
    .trim()
    .slice(0, 500);
}
