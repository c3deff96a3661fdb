import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Disposable } from '../../../common/disposable.ts';
import { connectKeeper, type KeeperClient } from '../../../agent/keeper/keeperClient.ts';
import { provisioned, root } from '../../support/provisioned.ts';
import { startCell, type CellOptions } from '../../../agent/keeper/startKeeper.ts';

const architecture = process.arch === 'arm64' ? 'arm64' : 'x64';

export const keeperBinary = join(root, 'dist/keeper', `linux-${architecture}`);

export const plainEnv = {
  PATH: process.env['PATH'] ?? '/usr/bin:/bin',
  HOME: '/',
  TERM: 'dumb',
  LANG: 'C.UTF-8',
};

export function buildKeeper(): void {
  const { status } = spawnSync(process.execPath, [join(root, 'scripts/buildKeeper.mjs')], {
    stdio: 'inherit',
  });
  if (status !== 0) throw new Error('Failed to build the keeper');
}

/** Why cells cannot be made here; undefined where they can. */
export function cannotMakeCells(): string | undefined {
  if (process.platform !== 'linux') return 'cells need Linux';
  if (process.getuid?.() !== 0) return 'the tests of cells need root';
  return undefined;
}

/** Why nothing can be dumped here; undefined where it can. */
export function cannotDump(): string | undefined {
  return (
    cannotMakeCells() ?? (existsSync(provisioned.criu) ? undefined : 'there is no .cache/criu/criu')
  );
}

/** Folders and keepers of one test; everything goes when it is disposed. */
export class Bench implements Disposable {
  readonly #folders: string[] = [];
  readonly #clients: KeeperClient[] = [];
  readonly #keepers: number[] = [];

  /** A folder outside the machine's /tmp modes: nobody but `uid` enters it. */
  async folder(uid = 0, name = 'flick-keeper-'): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), name));
    this.#folders.push(folder);
    await chmod(folder, 0o700);
    await chown(folder, uid, uid);
    return folder;
  }

  async cell(
    options: Partial<CellOptions> = {},
  ): Promise<{ dir: string; client: KeeperClient; keeperPid: number }> {
    const dir = options.dir ?? (await this.folder());
    const keeperPid = await startCell({ keeper: keeperBinary, ...options, dir });
    this.#keepers.push(keeperPid);
    return { dir, client: await this.connect(dir), keeperPid };
  }

  async connect(dir: string): Promise<KeeperClient> {
    const client = await connectKeeper(dir);
    this.#clients.push(client);
    return client;
  }

  adopt(keeperPid: number): void {
    this.#keepers.push(keeperPid);
  }

  async dispose(): Promise<void> {
    for (const client of this.#clients) {
      if (!client.isClosed) await client.shutdown().catch(() => undefined);
      client.dispose();
    }
    for (const pid of this.#keepers) {
      if (isKeeper(pid)) process.kill(pid, 'SIGKILL');
      await until(() => !isKeeper(pid), 'the keeper has gone');
    }
    for (const folder of this.#folders) await rm(folder, { recursive: true, force: true });
  }
}

/** A keeper that ended is a zombie until the machine's init looks: that is gone enough. */
export function isKeeper(pid: number): boolean {
  try {
    return /^\d+ \(flick-keeper\) [^ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** Waits until the condition holds. Throws after `limitMs`. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  limitMs = 15_000,
): Promise<void> {
  for (const end = Date.now() + limitMs; !(await condition());) {
    if (Date.now() > end) throw new Error(`Timed out: ${what}`);
    await sleep(20);
  }
}

/** Everything that a client sees of the output. */
export class Screen {
  text = '';
  /** Offset behind the last byte seen. */
  end = 0;

  static async of(client: KeeperClient, from = 0): Promise<Screen> {
    const screen = new Screen();
    client.onOutput(({ offset, data }) => {
      screen.text += data.toString('latin1');
      screen.end = offset + data.length;
    });
    await client.subscribe(from);
    return screen;
  }

  shows(wanted: string | RegExp, limitMs?: number): Promise<void> {
    const shown = (): boolean =>
      typeof wanted === 'string' ? this.text.includes(wanted) : wanted.test(this.text);
    return until(shown, `the terminal shows ${String(wanted)}`, limitMs).catch((error: unknown) => {
      throw new Error(`${String(error)}; it shows ${JSON.stringify(this.text.slice(-500))}`);
    });
  }
}

/** Runs a program and waits for it. */
export function run(
  command: string,
  ...args: string[]
): Promise<{ code: number | null; out: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    child.stdout.on('data', (data: Buffer) => (out += data.toString()));
    child.stderr.on('data', (data: Buffer) => (out += data.toString()));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out }));
  });
}
