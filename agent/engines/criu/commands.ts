/**
 * Descriptors that the new terminal is handed to CRIU at. The keeper opens the first (EXEC_PTY_FD in
 * agent/keeper/README.md); CRIU closes each as it takes it, so every terminal that it replaces needs one of its own.
 */
const terminalDescriptors = [9, 3, 4, 5, 6, 7, 8] as const;

/** Most terminals of a process that one can take the place of. */
export const maxTerminals = terminalDescriptors.length;

/** Largest deleted-but-open file that is put into the images, in bytes. */
const ghostLimit = 4 * 2 ** 30;

/** How long CRIU may try to freeze the tree, in seconds: tasks in an uninterruptible sleep need their device first. */
const freezeTimeout = 30;

export interface CriuCommand {
  readonly criu: string;
  readonly images: string;
  /** The cell is a user namespace: CRIU has capabilities in it only. */
  readonly unprivileged: boolean;
  readonly shellJob: boolean;
  /** Keep established TCP connections (both ends are inside the tree) instead of closing them. */
  readonly keepConnections: boolean;
  /** `rdev:dev` of terminals that stay behind, hexadecimal, as the dumped process has them. */
  readonly terminalKeys: readonly string[];
  /** A dump leaves the pages in the process, which stands still; a restore gets them from the keeper. */
  readonly pagesLeftOut?: boolean;
  /** The action script that makes CRIU hold, as the keeper gives it. */
  readonly holdScript: string;
}

/** Arguments of `criu dump` (criu(8)) for a tree whose root has `pid` in the PID namespace that CRIU runs in. */
export function dumpArguments(command: CriuCommand, pid: number): readonly [string, ...string[]] {
  return [
    command.criu,
    'dump',
    '--tree',
    String(pid),
    ...common(command, 'dump.log'),
    '--timeout',
    String(freezeTimeout),
    ...command.terminalKeys.flatMap((key) => ['--external', `tty[${key}]`]),
    // The client of its page server has left already, so it serves nothing (EXEC's page socket, agent/keeper/README.md).
    ...(command.pagesLeftOut === true ? ['--lazy-pages', '--ps-socket', '8'] : []),
  ];
}

/** Arguments of `criu restore`: detached, and as a sibling of CRIU, so that the tree's root is the keeper's child. */
export function restoreArguments(command: CriuCommand): readonly [string, ...string[]] {
  const [program, ...words] = [
    ...copiesOfTerminal(command.terminalKeys.length),
    command.criu,
    'restore',
    ...common(command, 'restore.log'),
    '--restore-detached',
    '--restore-sibling',
    ...(command.pagesLeftOut === true ? ['--lazy-pages'] : []),
    ...command.terminalKeys.flatMap((key, index) => [
      '--inherit-fd',
      `fd[${terminalDescriptors[index] ?? terminalDescriptors[0]}]:tty[${key}]`,
    ]),
  ];
  return [program ?? command.criu, ...words];
}

/** A shell in front of CRIU that copies the descriptor and becomes CRIU. Shells know descriptors of one digit only. */
function copiesOfTerminal(terminals: number): string[] {
  const [first, ...others] = terminalDescriptors;
  if (terminals < 2) return [];
  const copies = others.slice(0, terminals - 1).map((each) => `${each}<&${first}`);
  return ['/bin/sh', '-c', `exec "$0" "$@" ${copies.join(' ')}`];
}

function common(command: CriuCommand, log: string): string[] {
  return [
    '--images-dir',
    command.images,
    '--log-file',
    log,
    '-v4',
    // The process goes into the cgroup of its cell on every device, whatever groups it had before.
    '--manage-cgroups=ignore',
    '--file-locks',
    '--link-remap',
    '--ghost-limit',
    String(ghostLimit),
    '--skip-in-flight',
    ...(command.keepConnections
      ? ['--tcp-established', '--network-lock', 'nftables']
      : ['--tcp-close']),
    ...(command.unprivileged ? ['--unprivileged'] : []),
    ...(command.shellJob ? ['--shell-job'] : []),
    '--action-script',
    command.holdScript,
  ];
}
