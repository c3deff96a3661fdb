import { chmod, chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import * as v from 'valibot';
import { FrameStream } from '../../common/frames.ts';
import { silentLogger } from '../../common/logger.ts';
import { messageOf } from '../../common/rpc.ts';
import { criuState } from '../engines/criu/binary.ts';
import { dumpArguments } from '../engines/criu/commands.ts';
import { readCredentials } from '../engines/criu/images.ts';
import { readTail } from '../engines/criu/logTail.ts';
import { loadImages, sendImages } from '../handoff/imageTransfer.ts';
import { installKeeper } from '../keeper/install.ts';
import { isAlive } from '../processes/adoption.ts';
import { Cell, type HeldJob } from '../processes/cell.ts';
import { readTree } from '../processes/tree.ts';
import { readStatus } from '../procfs/status.ts';
import { helperFolder, onlyRootWrites } from './installed.ts';
import { helperRequest, type HelperAnswer, type HelperRequest } from './messages.ts';

/** Guards of dumps under way. Root's own, so that no user can put anything in their place. */
const guards = '/run/flick-helper';
const logBytes = 256 * 1024;

type Dump = Extract<HelperRequest, { op: 'dump' }>;

/** Root's half: dumps one process of the calling user, hands the images over, and waits for the verdict. */
export async function runHelper(): Promise<void> {
  const frames = new FrameStream(
    Duplex.from({ readable: process.stdin, writable: process.stdout }),
  );
  const helper = new Helper(frames, callingUser());
  try {
    for (;;) await helper.answer(v.parse(helperRequest, await frames.receiveJson()));
  } catch (error) {
    // A caller that is gone leaves a dump that was not pinned to the keeper, which lets the process run on.
    const failed: HelperAnswer = { type: 'failed', message: messageOf(error), log: '' };
    await frames.sendJson(failed).catch(() => undefined);
  }
  process.exit(0);
}

/**
 * CRIU as the caller, with the capabilities that a dump needs and nothing else of root's. It also needs no CAP_SYS_RESOURCE then, since the limits of one's own
 * processes are one's own to read (prlimit(2)).
 */
function asCaller(
  uid: number,
  gid: number,
  argv: readonly string[],
): readonly [string, ...string[]] {
  // The last two let its action script reach the guard's socket, which only root can.
  const capabilities = [
    ...['checkpoint_restore', 'sys_ptrace', 'sys_admin', 'net_admin'],
    ...['dac_override', 'dac_read_search'],
  ]
    .map((name) => `+${name}`)
    .join(',');
  return [
    '/usr/bin/setpriv',
    '--reuid',
    String(uid),
    '--regid',
    String(gid),
    '--clear-groups',
    '--inh-caps',
    capabilities,
    '--ambient-caps',
    capabilities,
    '--',
    ...argv,
  ];
}

/** sudo(8) sets SUDO_UID to the invoking user. @throws {Error} for any other way of starting the helper */
function callingUser(): { readonly uid: number; readonly gid: number } {
  const uid = Number(process.env['SUDO_UID']);
  const gid = Number(process.env['SUDO_GID']);
  const whole = Number.isInteger(uid) && Number.isInteger(gid);
  if (process.getuid?.() !== 0 || !whole || uid < 1 || gid < 1) {
    throw new Error('The helper is started through sudo by an ordinary user.');
  }
  return { uid, gid };
}

class Helper {
  readonly #frames: FrameStream;
  readonly #caller: number;
  readonly #group: number;
  #job: HeldJob | undefined;
  #guard: Cell | undefined;
  #folder: string | undefined;

  constructor(frames: FrameStream, caller: { readonly uid: number; readonly gid: number }) {
    this.#frames = frames;
    this.#caller = caller.uid;
    this.#group = caller.gid;
  }

  async answer(request: HelperRequest): Promise<void> {
    switch (request.op) {
      case 'dump':
        return this.#dump(request);
      case 'pin':
        await this.#held().pin();
        return this.#ok();
      case 'verdict':
        await this.#held().verdict(request.goOn);
        await this.#tidy();
        return this.#ok();
      case 'settle':
        await this.#settle(request.id, request.goOn);
        return this.#ok();
    }
  }

  async #dump(request: Dump): Promise<void> {
    if (this.#job !== undefined) throw new Error('One dump at a time.');
    await this.#refuseStrangers(request);
    const { binary } = await criuState({
      flickHome: helperFolder,
      environment: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
    });
    if (binary === undefined) throw new Error('There is no CRIU that root can use.');
    if (!(await onlyRootWrites(binary.path))) {
      throw new Error(
        `${binary.path} could be changed by others than root, so root does not run it.`,
      );
    }
    // The caller's CRIU must reach its images, and nobody but root the guard, which runs whatever it is told to.
    const folder = join(guards, request.id);
    const guard = join(folder, 'guard');
    const images = join(folder, 'images');
    await mkdir(guards, { recursive: true });
    await mkdir(folder);
    for (const passable of [guards, folder]) await chmod(passable, 0o711);
    await mkdir(guard, { mode: 0o700 });
    await mkdir(images, { mode: 0o700 });
    await chown(images, this.#caller, this.#group);
    this.#folder = folder;
    await writeFile(join(guard, 'caller'), `${this.#caller}\n`, { mode: 0o600 });
    const keeper = await installKeeper({ bin: helperFolder });
    await chmod(keeper, 0o755);
    this.#guard = await Cell.startGuard({
      keeper,
      folder: guard,
      criuUser: this.#caller,
      logger: silentLogger,
    });
    const argv = dumpArguments(
      {
        criu: binary.path,
        images,
        unprivileged: true,
        shellJob: request.shellJob,
        keepConnections: request.keepConnections,
        terminalKeys: request.terminalKeys,
        // The keeper's own answer leads through /proc/KEEPER, which only root may follow.
        holdScript: keeper,
      },
      request.pid,
    );
    try {
      this.#job = await this.#guard.runHeld({
        kind: 'dump',
        argv: asCaller(this.#caller, this.#group, argv),
        track: request.pid,
        lastPid: 0,
        sessionOnTerminal: false,
        passTerminal: false,
        output: join(guard, 'criu-output.log'),
      });
    } catch (error) {
      const log =
        (await readTail(join(images, 'dump.log'), logBytes)) ??
        (await readTail(join(guard, 'criu-output.log'), logBytes)) ??
        '';
      await this.#tidy();
      return this.#send({ type: 'failed', message: messageOf(error), log });
    }
    await this.#refuseForeignImages(request, images);
    const loaded = await loadImages(images);
    await this.#send({ type: 'held', files: [...loaded.files] });
    await sendImages(this.#frames, loaded, {
      onProgress: () => undefined,
      signal: new AbortController().signal,
      pack: false,
    });
  }

  /** @throws {Error} unless every process of the tree has only ids of the caller */
  async #refuseStrangers({ pid, startTicks }: Dump): Promise<void> {
    if (!(await isAlive({ pid, startTicks })))
      throw new Error('There is no such process any more.');
    const tree = await readTree(pid);
    for (const each of tree?.processes ?? []) {
      const status = await readStatus(each.pid);
      if (status?.uids.some((uid) => uid !== this.#caller) === true) {
        throw new Error(`Process ${each.pid} belongs to another user.`);
      }
    }
  }

  /** The tree could have changed before it stood still: what counts is what the images say. */
  async #refuseForeignImages({ pid, startTicks }: Dump, folder: string): Promise<void> {
    const { uids } = await readCredentials(folder);
    const same = await isAlive({ pid, startTicks });
    if (same && [...uids].every((uid) => uid === this.#caller)) return;
    await this.#job?.verdict(false);
    await this.#tidy();
    throw new Error('The process was not the caller’s when it stood still.');
  }

  async #settle(id: string, goOn: boolean): Promise<void> {
    const folder = join(guards, id);
    const guard = join(folder, 'guard');
    const owner = Number(await readFile(join(guard, 'caller'), 'utf8').catch(() => ''));
    if (owner !== this.#caller) throw new Error('That dump is not the caller’s.');
    this.#folder = folder;
    this.#guard = await Cell.reconnect(guard, 0, undefined, silentLogger);
    const pending = await this.#guard?.pendingHold();
    await pending?.job.verdict(goOn);
    await this.#tidy();
  }

  async #tidy(): Promise<void> {
    await this.#guard?.shutdown();
    this.#job = undefined;
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true });
  }

  #held(): HeldJob {
    if (this.#job === undefined) throw new Error('Nothing is held.');
    return this.#job;
  }

  async #ok(): Promise<void> {
    await this.#send({ type: 'ok' });
  }

  async #send(answer: HelperAnswer): Promise<void> {
    await this.#frames.sendJson(answer);
  }
}
