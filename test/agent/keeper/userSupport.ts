import { spawn, type ChildProcess } from 'node:child_process';
import { chmod, chown, copyFile, cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Duplex } from 'node:stream';
import { KeeperClient } from '../../../agent/keeper/keeperClient.ts';
import { startCell, type CellOptions } from '../../../agent/keeper/startKeeper.ts';
import { provisioned } from '../../support/provisioned.ts';
import { isKeeper, keeperBinary, until } from './support.ts';

const relay = `
  const socket = require('net').connect(process.argv[1] + '/sock');
  process.stdin.pipe(socket);
  socket.pipe(process.stdout);
  socket.on('close', () => process.exit());
  socket.on('error', () => process.exit(1));
`;

/** An ordinary user: a uid (and gid of the same number) with some supplementary groups. */
export interface User {
  readonly id: number;
  readonly groups: readonly number[];
}

function identity({ id, groups }: User): string[] {
  return [
    ...['--reuid', String(id), '--regid', String(id)],
    groups.length > 0 ? `--groups=${groups.join(',')}` : '--clear-groups',
  ];
}

/** Cells of ordinary users. The programs are copied to where everybody may read them. */
export class UserBench {
  readonly place: string;
  readonly #children: ChildProcess[] = [];
  readonly #keepers: number[] = [];
  #wrappers = 0;

  private constructor(place: string) {
    this.place = place;
  }

  static async create(): Promise<UserBench> {
    const place = await mkdtemp('/tmp/flick-user-');
    await chmod(place, 0o755);
    await copyFile(keeperBinary, join(place, 'keeper'));
    await cp(dirname(provisioned.criu), join(place, 'criu'), { recursive: true });
    return new UserBench(place);
  }

  get criu(): string {
    return join(this.place, 'criu/criu');
  }

  /** A folder that only the user may enter. */
  async folder(user: User): Promise<string> {
    const folder = await mkdtemp(join(this.place, 'own-'));
    await chmod(folder, 0o700);
    await chown(folder, user.id, user.id);
    return folder;
  }

  /** Makes a cell as the user and connects to it as the user. */
  async cell(
    user: User,
    options: Omit<CellOptions, 'keeper' | 'dir'>,
  ): Promise<{ dir: string; client: KeeperClient }> {
    this.#wrappers += 1;
    const keeper = join(this.place, `keeper-${this.#wrappers}`);
    const words = ['setpriv', ...identity(user), join(this.place, 'keeper')].join(' ');
    await writeFile(keeper, `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
    const dir = await this.folder(user);
    this.#keepers.push(await startCell({ ...options, keeper, dir }));
    return { dir, client: this.#connect(user, dir) };
  }

  /** Gives everything in a folder to the user. */
  async give(folder: string, user: User): Promise<void> {
    await chown(folder, user.id, user.id);
    for (const name of await readdir(folder, { recursive: true })) {
      await chown(join(folder, name), user.id, user.id);
    }
  }

  async dispose(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    for (const pid of this.#keepers) {
      if (isKeeper(pid)) process.kill(pid, 'SIGKILL');
      await until(() => !isKeeper(pid), 'the keeper has gone');
    }
    await rm(this.place, { recursive: true, force: true });
  }

  #connect(user: User, dir: string): KeeperClient {
    const args = [...identity(user), process.execPath, '-e', relay, dir];
    const child = spawn('setpriv', args, { stdio: ['pipe', 'pipe', 'inherit'], cwd: '/' });
    this.#children.push(child);
    const stream = Duplex.from({ readable: child.stdout, writable: child.stdin });
    child.on('close', () => stream.destroy());
    return new KeeperClient(stream);
  }
}
