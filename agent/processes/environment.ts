import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { FlickError } from '../../protocol/index.ts';
import { currentUser } from '../state/user.ts';

/**
 * Variables of the daemon's own start that must not reach a process: they name sockets, sessions and displays of this
 * device, which a process would connect to and could then not be dumped, or which mean nothing elsewhere.
 */
const unwanted =
  /^(SSH_|VSCODE_|ELECTRON_|DBUS_|XDG_(SESSION|RUNTIME|SEAT|VTNR)|DISPLAY$|WAYLAND_|XAUTHORITY$|TMUX|STY$|WINDOW|FLICK_|INVOCATION_ID$|JOURNAL_STREAM$|NOTIFY_SOCKET$|LISTEN_|npm_|INIT_CWD$|OLDPWD$|_$|SHLVL$|MOTD_SHOWN$|PS1$)/;

const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The environment a launched process gets: the user's, without what ties it to this device, and what was asked for. */
export function launchEnvironment(
  asked: Readonly<Record<string, string>>,
  cwd: string,
  own: NodeJS.ProcessEnv = process.env,
): Record<string, string> {
  const user = currentUser();
  const environment: Record<string, string> = {
    PATH: defaultPath,
    LANG: 'C.UTF-8',
  };
  for (const [key, value] of Object.entries(own)) {
    if (value !== undefined && !unwanted.test(key)) environment[key] = value;
  }
  return {
    ...environment,
    HOME: user.home,
    USER: user.name,
    LOGNAME: user.name,
    SHELL: user.shell,
    TERM: 'xterm-256color',
    PWD: cwd,
    ...asked,
  };
}

/**
 * Finds a program as execvp(3) would, but says what is wrong in words.
 * @throws {FlickError} `launchFailed` when there is no such program, it is a folder or may not be executed
 */
export async function findProgram(command: string, path: string, cwd: string): Promise<string> {
  const candidates =
    isAbsolute(command) || command.includes('/')
      ? [resolve(cwd, command)]
      : path.split(delimiter).map((folder) => resolve(cwd, folder === '' ? '.' : folder, command));
  let present: string | undefined;
  for (const candidate of candidates) {
    const status = await stat(candidate).catch(() => undefined);
    if (status === undefined || status.isDirectory()) continue;
    present ??= candidate;
    const executable = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (executable) return candidate;
  }
  throw new FlickError(
    'launchFailed',
    present === undefined
      ? `There is no program “${command}” on the device.`
      : `The program ${present} may not be executed.`,
    {
      remedy:
        present === undefined
          ? 'Install it there, give its full path, or check the spelling.'
          : `Make it executable (chmod +x ${join(present)}) or start it through its interpreter.`,
    },
  );
}
