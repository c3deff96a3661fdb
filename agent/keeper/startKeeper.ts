import { spawn } from 'node:child_process';
import { KeeperError } from './keeperError.ts';

export interface CellOptions {
  /** Path of the keeper's executable. */
  readonly keeper: string;
  /** The cell's own folder; it exists, and only its owner may enter it. */
  readonly dir: string;
  /** Puts the cell into a user namespace in which the caller's ids appear as these. */
  readonly userNamespace?: { readonly uid: number; readonly gid: number } | undefined;
  /** Writable layers over directories of the device. `upper` and `work` exist, are empty or a former layer's. */
  readonly overlays?: readonly OverlaySpec[];
  /** Files or directories put over others, after the layers. */
  readonly binds?: readonly BindSpec[];
  /** Number of the app's terminal below /dev/pts, 0 to 1023; 0 unless told. */
  readonly terminalIndex?: number;
  /** How much of the app's output is kept; 1 MiB unless told. */
  readonly scrollbackBytes?: number;
}

export interface BindSpec {
  /** As the device names it, whatever the layers show at that path. */
  readonly source: string;
  readonly target: string;
  readonly readOnly?: boolean;
}

export interface OverlaySpec {
  readonly mountPoint: string;
  readonly upper: string;
  readonly work: string;
}

/**
 * Makes a cell. The keeper outlives the caller.
 * @returns the keeper's PID as the caller sees it
 * @throws {KeeperError} `setup`
 */
export function startCell(options: CellOptions): Promise<number> {
  const { userNamespace, overlays = [], binds = [], terminalIndex, scrollbackBytes } = options;
  return startKeeper(options.keeper, [
    'cell',
    '--dir',
    options.dir,
    ...(userNamespace ? ['--userns', String(userNamespace.uid), String(userNamespace.gid)] : []),
    ...overlays.flatMap(({ mountPoint, upper, work }) => ['--overlay', mountPoint, upper, work]),
    ...binds.flatMap(({ source, target, readOnly }) => [
      readOnly === true ? '--bind-read-only' : '--bind',
      source,
      target,
    ]),
    ...(terminalIndex === undefined ? [] : ['--tty-index', String(terminalIndex)]),
    ...(scrollbackBytes === undefined ? [] : ['--scrollback', String(scrollbackBytes)]),
  ]);
}

/**
 * Starts a keeper without namespaces: the app is a plain child of it, on a terminal of the device.
 * @returns the keeper's PID
 * @throws {KeeperError} `setup`
 */
export function startPlain({
  keeper,
  dir,
  scrollbackBytes,
}: Pick<CellOptions, 'keeper' | 'dir' | 'scrollbackBytes'>): Promise<number> {
  const ring = scrollbackBytes === undefined ? [] : ['--scrollback', String(scrollbackBytes)];
  return startKeeper(keeper, ['plain', '--dir', dir, ...ring]);
}

/**
 * Starts a keeper without namespaces and pty, which runs criu on a process outside any cell.
 * @returns the guard's PID
 * @throws {KeeperError} `setup`
 */
export function startGuard(options: {
  readonly keeper: string;
  readonly dir: string;
  /** Another user that the guard's criu runs as and that its `hold` may connect as. */
  readonly criuUser?: number | undefined;
}): Promise<number> {
  return startKeeper(options.keeper, [
    'guard',
    '--dir',
    options.dir,
    ...(options.criuUser === undefined ? [] : ['--criu-user', String(options.criuUser)]),
  ]);
}

function startKeeper(keeper: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const launcher = spawn(keeper, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    let said = '';
    launcher.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    launcher.on('error', (cause) => {
      reject(new KeeperError('setup', `Failed to start the keeper: ${cause.message}`, { cause }));
    });
    launcher.on('close', () => {
      const ready = /^ready (\d+)\n$/.exec(said)?.[1];
      if (ready !== undefined) return resolve(Number(ready));
      const why = said.startsWith('error ') ? said.slice(6).trim() : 'it said nothing';
      reject(new KeeperError('setup', `Failed to make a cell: ${why}`));
    });
  });
}
