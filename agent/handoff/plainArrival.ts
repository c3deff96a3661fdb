import { constants } from 'node:fs';
import { lstat, mkdir, open, rename, rm, rmdir, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FlickError } from '../../protocol/index.ts';
import { lacking } from '../files/compare.ts';
import type { Hasher } from '../files/hashing.ts';
import { finishFile, temporaryName, writeFully } from '../files/layerWriter.ts';
import { isBelow, type Entry, type FileEntry } from '../files/manifest.ts';
import type { FileSink, IncomingFile } from '../files/transfer.ts';
import { writeFailure } from '../state/durable.ts';
import { nothingMounted, type ArrivalFiles, type CellMounts } from './arrivalFiles.ts';

/**
 * Away from home on a device without namespaces: there is no layer, so only what the device does not have is placed, at
 * its path and to stay. A file that the device has otherwise is its own, and forbids the move.
 */
export class PlainArrival implements ArrivalFiles {
  readonly sink: FileSink = { create: (entry) => this.#create(entry) };
  readonly #flickHome: string;
  readonly #hasher: Hasher;
  /** Paths that were not here before, in the order in which they were made. */
  readonly #made = new Map<string, Entry['kind']>();

  constructor(options: { readonly flickHome: string; readonly hasher: Hasher }) {
    this.#flickHome = options.flickHome;
    this.#hasher = options.hasher;
  }

  get remarks(): readonly string[] {
    const files = [...this.#made].filter(([, kind]) => kind !== 'directory').map(([path]) => path);
    if (files.length === 0) return [];
    const more = files.length > 1 ? ` and ${files.length - 1} more` : '';
    return [`Placed on the device, which had no such file: ${files[0] ?? ''}${more}.`];
  }

  async plan(
    entries: readonly Entry[],
    _last: boolean,
    signal: AbortSignal,
  ): Promise<ReadonlySet<string>> {
    const options = { hasher: this.#hasher, signal };
    const { needed } = await lacking(entries, '/', options);
    const paths = new Set(needed);
    const wanted = new Set<string>();
    for (const entry of entries) {
      if (!paths.has(entry.path) || entry.kind === 'deleted') continue;
      const own = await lstat(entry.path).catch(() => undefined);
      const isOurs = this.#made.has(entry.path);
      if (own !== undefined && !isOurs) {
        if (entry.kind === 'directory' && own.isDirectory()) continue;
        // With another mode the device's own file is as good.
        const asOurs = { ...entry, mode: own.mode & 0o7777 };
        if ((await lacking([asOurs], '/', options)).needed.length > 0) throw differs(entry.path);
        continue;
      }
      if (isBelow(entry.path, this.#flickHome)) throw differs(entry.path);
      if (entry.kind === 'file') wanted.add(entry.path);
      else if (!isOurs) await this.#make(entry);
    }
    return wanted;
  }

  lookAhead(): void {
    // There is no layer that could be made meanwhile, so nothing waits for it.
  }

  missed(): void {
    // What was not accepted is not at its place.
  }

  expected(): Promise<CellMounts> {
    return this.place();
  }

  place(): Promise<CellMounts> {
    return Promise.resolve(nothingMounted);
  }

  commit(): Promise<void> {
    return Promise.resolve();
  }

  async abort(): Promise<void> {
    for (const [path, kind] of [...this.#made].reverse()) {
      // A folder that somebody else uses by now stays.
      if (kind === 'directory') await rmdir(path).catch(() => undefined);
      else await rm(path, { force: true });
    }
  }

  async #make(entry: Entry): Promise<void> {
    try {
      if (entry.kind === 'directory') await mkdir(entry.path, { mode: entry.mode & 0o777 });
      else if (entry.kind === 'symlink') await symlink(entry.target, entry.path);
    } catch (error) {
      throw writeFailure(entry.path, error);
    }
    this.#made.set(entry.path, entry.kind);
  }

  async #create(entry: FileEntry): Promise<IncomingFile> {
    const temporary = join(dirname(entry.path), temporaryName());
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    const file = await open(temporary, flags, 0o600).catch((error: unknown) => {
      throw writeFailure(entry.path, error);
    });
    return {
      write: (data, position) =>
        writeFully(file, data, position).catch((error: unknown) => {
          throw writeFailure(temporary, error);
        }),
      accept: async () => {
        await finishFile(file, entry, undefined);
        await file.close();
        await rename(temporary, entry.path);
        this.#made.set(entry.path, 'file');
      },
      discard: async () => {
        await file.close();
        await rm(temporary, { force: true });
      },
    };
  }
}

function differs(path: string): FlickError {
  return new FlickError(
    'refused',
    `The process brings ${path}, which is different on this device, and without namespaces only one of the two can be seen here.`,
    { remedy: 'Make the two the same, or allow user namespaces on this device.' },
  );
}
