import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, watch } from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import * as v from 'valibot';
import { toDisposable, type Disposable } from '../common/disposable.ts';
import { Emitter } from '../common/event.ts';
import { describeIssues, messageOf } from '../common/rpc.ts';
import { FlickError } from '../protocol/index.ts';
import { checkDeviceEntry, deviceEntry, localName, type DeviceEntry } from './deviceEntry.ts';

const devicesFile = v.strictObject({
  version: v.literal(1),
  devices: v.pipe(
    v.array(deviceEntry),
    v.check(
      (devices) => new Set(devices.map((each) => each.name)).size === devices.length,
      'Two devices have the same name.',
    ),
    v.check(
      (devices) => devices.every((each) => each.name !== localName),
      'The name “local” means this machine and cannot be given to a device.',
    ),
  ),
});

/** A lock older than this belongs to a writer that is gone: writing takes a few milliseconds. In ms. */
const staleLock = 5_000;
const lockTimeout = 10_000;

/**
 * The device list of one user, `devices.json` in {@link home}. Several programs may use it at once: what one writes the
 * others see, and two that add a device at the same moment both succeed.
 */
export class Configuration implements Disposable {
  readonly home: string;
  readonly path: string;
  readonly #changed = new Emitter<void>();
  #devices: readonly DeviceEntry[] = [];
  #problem: FlickError | undefined;
  #watching: Disposable | undefined;
  #rereading: NodeJS.Timeout | undefined;

  /** The devices or {@link problem} have changed, here or by another program. */
  readonly onDidChange = this.#changed.event;

  /** Reads the list at once. A file that cannot be read leaves it empty and says so in {@link problem}. */
  constructor(home: string) {
    this.home = home;
    this.path = join(home, 'devices.json');
    this.#reread();
  }

  get devices(): readonly DeviceEntry[] {
    return this.#devices;
  }

  /** Why the file cannot be used. Nothing is ever written over such a file. */
  get problem(): FlickError | undefined {
    return this.#problem;
  }

  /** Follows what other programs write, until disposed. */
  watch(): Disposable {
    if (this.#watching !== undefined) return this.#watching;
    mkdirSync(this.home, { recursive: true, mode: 0o700 });
    // The folder, as every write replaces the file.
    const watcher = watch(this.home, { persistent: false }, (_event, file) => {
      if (file !== null && file !== 'devices.json') return;
      clearTimeout(this.#rereading);
      this.#rereading = setTimeout(() => this.#reread(), 20);
      this.#rereading.unref();
    });
    watcher.on('error', () => watcher.close());
    this.#watching = toDisposable(() => {
      watcher.close();
      clearTimeout(this.#rereading);
      this.#watching = undefined;
    });
    return this.#watching;
  }

  /** @throws {FlickError} `invalidRequest` when the entry is wrong or the name taken */
  async add(entry: DeviceEntry): Promise<void> {
    const checked = checkDeviceEntry(entry);
    await this.#update((devices) => {
      if (devices.some((each) => each.name === checked.name)) {
        throw new FlickError('invalidRequest', `There already is a device “${checked.name}”.`, {
          remedy: `Choose another name, or remove it first: flick device rm ${checked.name}`,
        });
      }
      return [...devices, checked];
    });
  }

  /** @throws {FlickError} `invalidRequest` when there is no such device */
  async remove(entryName: string): Promise<void> {
    await this.#update((devices) => {
      const rest = devices.filter((each) => each.name !== entryName);
      if (rest.length === devices.length) {
        throw new FlickError('invalidRequest', `There is no device “${entryName}”.`, {
          remedy: `Known devices: ${devices.map((each) => each.name).join(', ') || 'none'}.`,
        });
      }
      return rest;
    });
  }

  dispose(): void {
    this.#watching?.dispose();
    this.#changed.dispose();
  }

  async #update(
    change: (devices: readonly DeviceEntry[]) => readonly DeviceEntry[],
  ): Promise<void> {
    await mkdir(this.home, { recursive: true, mode: 0o700 });
    const unlock = await this.#lock();
    try {
      this.#reread();
      if (this.#problem !== undefined) throw this.#problem;
      const document = { version: 1, devices: change(this.#devices) };
      const temporary = `${this.path}.${randomBytes(6).toString('hex')}`;
      try {
        const file = await open(temporary, 'wx', 0o600);
        try {
          await file.writeFile(`${JSON.stringify(document, undefined, 2)}\n`);
          await file.sync();
        } finally {
          await file.close();
        }
        await rename(temporary, this.path);
      } catch (error) {
        await rm(temporary, { force: true });
        throw error;
      }
      this.#reread();
    } finally {
      await unlock();
    }
  }

  /** Only one program at a time may read, change and write the file. */
  async #lock(): Promise<() => Promise<void>> {
    const path = `${this.path}.lock`;
    const mine = `${String(process.pid)} ${randomBytes(6).toString('hex')}\n`;
    const deadline = Date.now() + lockTimeout;
    for (;;) {
      try {
        const file = await open(path, 'wx', 0o600);
        await file.writeFile(mine);
        await file.close();
        return async () => {
          // Somebody who took us for dead holds a lock of their own by now.
          if ((await readFile(path, 'utf8').catch(() => '')) === mine)
            await rm(path, { force: true });
        };
      } catch (error) {
        if (!isCode(error, 'EEXIST')) throw error;
      }
      const age = await stat(path).then(
        (found) => Date.now() - found.mtimeMs,
        () => 0,
      );
      if (age > staleLock) {
        await rm(path, { force: true });
        continue;
      }
      if (Date.now() > deadline) {
        throw new FlickError('busy', `Another program holds ${path}.`, {
          remedy: 'If no Flick command runs, delete that file.',
        });
      }
      await delay(10 + Math.random() * 20);
    }
  }

  #reread(): void {
    const before = JSON.stringify([this.#devices, this.#problem?.message]);
    try {
      this.#devices = readDevices(this.path);
      this.#problem = undefined;
    } catch (error) {
      this.#devices = [];
      this.#problem =
        error instanceof FlickError
          ? error
          : new FlickError('internal', `${this.path} cannot be read: ${messageOf(error)}`, {
              cause: error,
            });
    }
    if (JSON.stringify([this.#devices, this.#problem?.message]) !== before) this.#changed.fire();
  }
}

function readDevices(path: string): readonly DeviceEntry[] {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (error) {
    if (isCode(error, 'ENOENT')) return [];
    throw error;
  }
  const unusable = (why: string): FlickError =>
    new FlickError(
      'invalidRequest',
      `${path} is not a device list that Flick understands: ${why}`,
      {
        remedy: 'Correct the file, or move it away and add the devices again.',
      },
    );
  let raw: unknown;
  try {
    raw = JSON.parse(content);
  } catch (error) {
    throw unusable(messageOf(error));
  }
  const parsed = v.safeParse(devicesFile, raw);
  if (!parsed.success) throw unusable(describeIssues(parsed.issues));
  return parsed.output.devices;
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
