import { basename } from 'node:path';

/** What telling programs apart needs of a process. */
export interface ProgramFacts {
  readonly comm: string;
  readonly args: readonly string[];
}

const shells = new Set(
  'sh bash dash zsh fish ksh ksh93 mksh ash tcsh csh nu pwsh elvish xonsh rbash'.split(' '),
);

/** Programs that only start, watch or show others. By comm, which has at most 15 bytes, or by the program's name. */
const hostPrograms = new Set(
  (
    'init systemd (sd-pam) sshd sshd-session sshd-auth login agetty getty cron crond anacron atd sudo su doas runuser ' +
    'setpriv tmux screen SCREEN zellij dtach abduco mosh-server script unshare nsenter bwrap docker-init tini ' +
    'dumb-init catatonit s6-svscan runsvdir containerd containerd-shim conmon dockerd podman flick-keeper ' +
    'gnome-terminal- gnome-terminal-server konsole xterm alacritty kitty foot wezterm-gui gnome-shell ' +
    'plasmashell code code-insiders codium cursor code-tunnel code-server'
  ).split(' '),
);

/** Parts of a desktop or of the system that nobody wants to move. */
const infrastructure = new Set(
  (
    'dbus-daemon dbus-broker dbus-broker-lau dbus-launch ssh-agent gpg-agent dirmngr scdaemon keyboxd pipewire ' +
    'pipewire-pulse wireplumber pulseaudio Xorg Xwayland Xvfb gdm-wayland-ses gdm-x-session gnome-session-b ' +
    'gnome-keyring-d gvfsd gvfsd-fuse gvfsd-metadata at-spi-bus-laun at-spi2-registr xdg-desktop-por ' +
    'xdg-document-po xdg-permission- dconf-service goa-daemon evolution-sourc tracker-miner-f udevd systemd-udevd ' +
    'systemd-journal systemd-logind systemd-resolve systemd-timesyn systemd-network rsyslogd polkitd udisksd upowerd ' +
    'NetworkManager ModemManager wpa_supplicant avahi-daemon cupsd chronyd ntpd dhclient dhcpcd acpid irqbalance ' +
    'thermald multipathd unattended-upgr snapd packagekitd fwupd accounts-daemon rtkit-daemon criu'
  ).split(' '),
);

/** True for a shell that waits for somebody's commands, rather than running a script or a `-c` text. */
export function isInteractiveShell(program: ProgramFacts): boolean {
  const [first, ...rest] = program.args;
  if (first === undefined || !shells.has(basename(first).replace(/^-/, ''))) return false;
  for (const arg of rest) {
    if (/^-[a-z]*c/.test(arg) && !arg.startsWith('--')) return false;
    if (!arg.startsWith('-') && !arg.startsWith('+')) return /\/bash-rcfile|\.bashrc$/.test(arg);
  }
  return true;
}

/** True when a process is only the place where others run: what it starts is interesting, itself it is not. */
export function isHost(program: ProgramFacts): boolean {
  return (
    hostPrograms.has(program.comm) ||
    hostPrograms.has(programName(program)) ||
    /^(sshd|tmux|SCREEN)\b/.test(program.args[0] ?? '') ||
    isEditorServer(program) ||
    isInteractiveShell(program)
  );
}

export function isInfrastructure(program: ProgramFacts): boolean {
  return infrastructure.has(program.comm) || isAgent(program);
}

/** An agent of Flick, be it one of another home or user. */
function isAgent({ args }: ProgramFacts): boolean {
  return args.includes('daemon') && args.some((arg) => basename(arg) === 'agent.cjs');
}

/** Servers of VS Code and its kin, whose terminals run what the user started. */
function isEditorServer({ args }: ProgramFacts): boolean {
  const start = args.slice(0, 3).join(' ');
  return (
    /\/\.(vscode|vscode-insiders|cursor|windsurf|vscodium)-(server|remote)\//.test(start) ||
    /\/code-server\/(lib|out)\//.test(start) ||
    args.some((arg) => /^--type=(ptyHost|extensionHost|fileWatcher)$/.test(arg))
  );
}

const interpreters = /^(node|nodejs|python[\d.]*|ruby[\d.]*|perl[\d.]*|php[\d.]*|deno|bun|tsx)$/;

/** True for programs whose script is what a person thinks of as the program. */
export function isInterpreter(name: string): boolean {
  return interpreters.test(name);
}

/** The name of the program: of its file, or of the title that it gave itself (`nginx: master process …`). */
export function programName({ args, comm }: ProgramFacts): string {
  const first = args[0];
  if (first === undefined || first === '') return comm;
  const title = /^([\w.-]+):\s/.exec(first)?.[1];
  return title ?? basename((first.split(' ')[0] ?? first).replace(/^-/, ''));
}

/** Options of interpreters that take the next word, so that it is not the script. */
const takesValue = new Set(
  '-r --require --import --loader --experimental-loader -C --conditions --env-file -W -X -I --title'.split(
    ' ',
  ),
);

/** The script that an interpreter runs, as its arguments name it; undefined for `-c`, `-e`, `-m` and the like. */
export function scriptOf(program: ProgramFacts): string | undefined {
  if (!isInterpreter(programName(program))) return undefined;
  const python = programName(program).startsWith('python');
  for (let at = 1; at < program.args.length; at += 1) {
    const arg = program.args[at] ?? '';
    if (/^-[a-zA-Z]*[cem]$/.test(arg) || arg === '--eval' || arg === '--print' || arg === '-p') {
      return undefined;
    }
    if (arg === '--' || (arg === 'run' && !python)) continue;
    if (takesValue.has(arg) && !(python && arg === '-I')) at += 1;
    else if (!arg.startsWith('-')) return arg;
  }
  return undefined;
}

/** What a person calls it: the script of an interpreter, else the program. */
export function displayName(program: ProgramFacts): string {
  const script = scriptOf(program);
  const name = script === undefined ? programName(program) : basename(script);
  return name === '' ? program.comm : name;
}
