import { homedir, userInfo } from 'node:os';

export interface CurrentUser {
  readonly uid: number;
  readonly gid: number;
  readonly name: string;
  readonly home: string;
  readonly shell: string;
}

/** The user this agent runs as. A user without an entry in passwd(5) is known by its number. */
export function currentUser(): CurrentUser {
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  try {
    const { username, homedir: home, shell } = userInfo();
    return { uid, gid, name: username, home, shell: shell ?? '/bin/sh' };
  } catch {
    return { uid, gid, name: String(uid), home: homedir(), shell: '/bin/sh' };
  }
}
