/** Descriptor at which the keeper hands the new terminal to CRIU (EXEC_PTY_FD in agent/keeper/README.md). */
export const terminalDescriptor = 9;

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
  /** `rdev:dev` of the terminal, hexadecimal, as the dumped process has it. */
  readonly terminalKey: string | undefined;
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
    ...(command.terminalKey === undefined ? [] : ['--external', `tty[${command.terminalKey}]`]),
  ];
}

/** Arguments of `criu restore`: detached, and as a sibling of CRIU, so that the tree's root is the keeper's child. */
export function restoreArguments(command: CriuCommand): readonly [string, ...string[]] {
  return [
    command.criu,
    'restore',
    ...common(command, 'restore.log'),
    '--restore-detached',
    '--restore-sibling',
    ...(command.terminalKey === undefined
      ? []
      : ['--inherit-fd', `fd[${terminalDescriptor}]:tty[${command.terminalKey}]`]),
  ];
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
