import { access, constants } from 'node:fs/promises';
import * as v from 'valibot';
import { isErrno } from '../state/durable.ts';
import { Hasher, identityOf } from './hashing.ts';
import {
  carriedPath,
  childOf,
  type Entry,
  type FileEntry,
  inPathOrder,
  isBelow,
  nameOf,
  parentOf,
} from './manifest.ts';
import { LinkInPath, Tree } from './tree.ts';

/** What home keeps of the files of a process that is away. `files` holds a fingerprint of each at departure. */
export const awayRecord = v.object({
  version: v.literal(1),
  /** Directory trees that were carried whole: the process may make and delete files there. */
  carriedRoots: v.array(carriedPath),
  files: v.record(carriedPath, v.string()),
});
export type AwayRecord = v.InferOutput<typeof awayRecord>;

/** To be written down when a process leaves its home. */
export function recordDeparture(
  entries: readonly Entry[],
  carriedRoots: readonly string[],
): AwayRecord {
  const files: Record<string, string> = {};
  for (const entry of entries) {
    const print = fingerprint(entry);
    if (print !== undefined) files[entry.path] = print;
  }
  return { version: 1, carriedRoots: [...carriedRoots], files };
}

/**
 * What happens to one arriving entry:
 * `unchanged` home's file stays as it is; `writeBack` home has what left, so the arriving one takes its place;
 * `create` and `delete` the same for what is missing on one side; `conflict` both changed, the arriving one is kept
 * beside as `keptAs`; `notAllowed` home never sent the path, so it stays in a layer of the cell.
 */
export type Homeward =
  | { readonly verdict: 'unchanged'; readonly entry: Entry }
  | {
      readonly verdict: 'writeBack';
      readonly entry: Exclude<Entry, { kind: 'deleted' | 'directory' }>;
      readonly identity: string;
    }
  | {
      readonly verdict: 'delete';
      readonly entry: Entry;
      readonly identity: string;
      readonly folder: boolean;
    }
  | { readonly verdict: 'create'; readonly entry: Exclude<Entry, { kind: 'deleted' }> }
  | { readonly verdict: 'conflict'; readonly entry: FileEntry; readonly keptAs: string }
  | { readonly verdict: 'notAllowed'; readonly entry: Entry; readonly exists: boolean };

export interface HomecomingPlan {
  readonly steps: Homeward[];
  /** Files in `steps` whose content must be sent, in the order in which it is received. */
  readonly incoming: FileEntry[];
  /** Mounts of the cell: the process goes on with its own file at `path`. Sources exist once all is placed. */
  readonly binds: { readonly source: string; readonly path: string }[];
  /** Sentences for the person who moved it. */
  readonly remarks: string[];
}

export interface HomecomingOptions {
  readonly base?: string;
  readonly hasher?: Hasher;
  readonly signal?: AbortSignal;
  /** What people call the device it comes from: part of the name of a kept file. */
  readonly from: string;
  readonly now?: Date;
}

/** Where any process may leave files, at home too. Their directories belong to everybody, so owners are checked. */
const sharedFolders = ['/tmp', '/var/tmp', '/dev/shm'];

/**
 * Decides about every entry without touching anything. Only paths that home sent, that lie below a tree it carried,
 * or in a shared temporary directory are ever written; no link is followed to any of them.
 * @param entries what `layerChanges` found on the device it leaves
 * @throws {FlickError} `cancelled`
 */
export async function planHomecoming(
  entries: readonly Entry[],
  away: AwayRecord,
  options: HomecomingOptions,
): Promise<HomecomingPlan> {
  const tree = await Tree.open(options.base ?? '/');
  try {
    const planner = new Planner(tree, away, options);
    for (const entry of inPathOrder(entries)) await planner.decide(entry);
    return planner.plan;
  } finally {
    await tree.close();
  }
}

/** What home has at a path. */
type Home =
  | { readonly state: 'missing' }
  | { readonly state: 'unreachable' }
  | {
      readonly state: 'there';
      readonly print: string | undefined;
      readonly mode: number;
      readonly identity: string;
    };

class Planner {
  readonly plan: HomecomingPlan = { steps: [], incoming: [], binds: [], remarks: [] };
  readonly #tree: Tree;
  readonly #away: AwayRecord;
  readonly #options: HomecomingOptions;
  readonly #hasher: Hasher;
  /** Directories that will be made: what goes into them is allowed with them. */
  readonly #made = new Set<string>();

  constructor(tree: Tree, away: AwayRecord, options: HomecomingOptions) {
    this.#tree = tree;
    this.#away = away;
    this.#options = options;
    this.#hasher = options.hasher ?? new Hasher();
  }

  async decide(entry: Entry): Promise<void> {
    const { path } = entry;
    const left = Object.hasOwn(this.#away.files, path) ? this.#away.files[path] : undefined;
    const home = await this.#home(path);
    const arriving = fingerprint(entry);
    if (home.state === 'there' && arriving === home.print && hasMode(home, entry)) {
      this.#unchanged(entry);
    } else if (entry.kind === 'deleted' && home.state === 'missing') this.#unchanged(entry);
    else if (
      home.state === 'unreachable' ||
      !this.#mayTouch(path, left) ||
      !(await this.#isOurs(path))
    ) {
      this.#notAllowed(entry, home);
    } else if (home.state === 'missing') this.#missing(entry, left);
    else this.#both(entry, home, left);
  }

  #missing(entry: Entry, left: string | undefined): void {
    if (entry.kind === 'deleted') return;
    const inUse = entry.role === 'open' || entry.role === 'mapped' || entry.role === 'cwd';
    if (left === fingerprint(entry) && !inUse) {
      // Deleted at home, untouched by the process.
      this.#unchanged(entry);
      return;
    }
    if (left !== undefined) {
      this.plan.remarks.push(`${entry.path} had been deleted here meanwhile and is there again.`);
    }
    if (entry.kind === 'directory') this.#made.add(entry.path);
    this.#step({ verdict: 'create', entry });
  }

  #both(entry: Entry, home: Home & { state: 'there' }, left: string | undefined): void {
    const { path } = entry;
    if (entry.kind === 'deleted') {
      if (home.print !== undefined && home.print === left) {
        // Of directories only empty ones go, and only at the end.
        this.#step({
          verdict: 'delete',
          entry,
          identity: home.identity,
          folder: left === 'directory',
        });
        return;
      }
      this.#unchanged(entry);
      this.plan.remarks.push(
        `${path} was deleted by the process, but has changed here meanwhile and stays.`,
      );
      return;
    }
    if (entry.kind === 'directory') {
      // A directory that exists is as good, whatever its mode.
      if (home.print === 'directory') this.#unchanged(entry);
      else this.#notAllowed(entry, home);
      return;
    }
    if (home.print !== undefined && home.print !== 'directory') {
      const sameContent = home.print === fingerprint(entry) && entry.kind === 'file';
      if (home.print === left || sameContent) {
        this.#step({ verdict: 'writeBack', entry, identity: home.identity });
        return;
      }
    }
    const processKeptIt = left !== undefined && left === fingerprint(entry);
    if (processKeptIt && entry.role !== 'open' && entry.role !== 'mapped') {
      this.#unchanged(entry);
      return;
    }
    if (entry.kind !== 'file') {
      this.#unchanged(entry);
      this.plan.remarks.push(`The link ${path} has changed here meanwhile and stays.`);
      return;
    }
    this.#conflict(entry);
  }

  #conflict(entry: FileEntry): void {
    const { from, now } = this.#options;
    const name = keptName(nameOf(entry.path), from, now ?? new Date());
    const keptAs = childOf(parentOf(entry.path), name);
    this.#step({ verdict: 'conflict', entry, keptAs });
    this.plan.binds.push({ source: keptAs, path: entry.path });
    this.plan.remarks.push(
      `${entry.path} has changed here and on ${from}. Yours stays; the process goes on with its own, kept as ${keptAs}.`,
    );
  }

  #notAllowed(entry: Entry, home: Home): void {
    this.#step({ verdict: 'notAllowed', entry, exists: home.state === 'there' });
    if (entry.kind === 'directory') return;
    this.plan.remarks.push(
      `${entry.path} ${entry.kind === 'deleted' ? 'was deleted' : 'was written'} on ${this.#options.from} but never left from here: the change stays inside the process.`,
    );
  }

  #unchanged(entry: Entry): void {
    this.#step({ verdict: 'unchanged', entry });
  }

  #step(step: Homeward): void {
    this.plan.steps.push(step);
    if (step.entry.kind === 'file' && step.verdict !== 'unchanged') {
      this.plan.incoming.push(step.entry);
    }
  }

  #mayTouch(path: string, left: string | undefined): boolean {
    if (left !== undefined || this.#made.has(parentOf(path))) return true;
    const roots = [...this.#away.carriedRoots, ...sharedFolders];
    return roots.some((root) => path !== root && isBelow(path, root));
  }

  /** Whether this user may put something there, and nobody else can have prepared the place for him. */
  async #isOurs(path: string): Promise<boolean> {
    const shared = sharedFolders.find((folder) => isBelow(path, folder));
    const uid = process.getuid?.() ?? 0;
    let folder = parentOf(path);
    let status = await this.#tree.status(folder);
    while (status === undefined) {
      folder = parentOf(folder);
      status = await this.#tree.status(folder);
    }
    for (let above = folder; shared !== undefined && above !== shared; above = parentOf(above)) {
      if (above === '/') break;
      const owner = Number((await this.#tree.status(above))?.uid ?? -1);
      if (owner !== uid && owner !== 0) return false;
    }
    try {
      await this.#tree.within(folder, (at) => access(at(''), constants.W_OK | constants.X_OK));
      return true;
    } catch (error) {
      if (isErrno(error, 'EACCES', 'EROFS', 'EPERM')) return false;
      throw error;
    }
  }

  async #home(path: string): Promise<Home> {
    try {
      const status = await this.#tree.status(path);
      if (status === undefined) return { state: 'missing' };
      const common = {
        state: 'there' as const,
        mode: Number(status.mode) & 0o777,
        identity: identityOf(status),
      };
      if (status.isDirectory()) return { ...common, print: 'directory' };
      if (status.isSymbolicLink()) {
        return { ...common, print: linkPrint(await this.#tree.linkTarget(path)) };
      }
      if (!status.isFile()) return { ...common, print: undefined };
      const known = this.#hasher.known(status);
      if (known !== undefined) return { ...common, print: known };
      const file = await this.#tree.openFile(path);
      try {
        const hashed = await this.#hasher.hash(file, { signal: this.#options.signal });
        return { ...common, print: hashed?.sha256 };
      } finally {
        await file.close();
      }
    } catch (error) {
      if (error instanceof LinkInPath || isErrno(error, 'EACCES', 'EPERM')) {
        return { state: 'unreachable' };
      }
      throw error;
    }
  }
}

/** `NAME.flick-FROM-YYYYMMDD-HHMMSS` in local time, the name cut so that it fits into NAME_MAX. */
export function keptName(name: string, from: string, now: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}`;
  const time = `${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`;
  const suffix = `.flick-${from.replace(/[^A-Za-z0-9._-]+/g, '-').slice(0, 40)}-${day}-${time}`;
  let kept = name;
  while (Buffer.byteLength(kept + suffix) > 250) kept = [...kept].slice(0, -1).join('');
  return kept + suffix;
}

/** Same string: same content. Undefined for what was deleted. */
function fingerprint(entry: Entry): string | undefined {
  switch (entry.kind) {
    case 'file':
      return entry.sha256;
    case 'directory':
      return 'directory';
    case 'symlink':
      return linkPrint(entry.target);
    case 'deleted':
      return undefined;
  }
}

function linkPrint(target: string): string {
  return `-> ${target}`;
}

/** Only a file's mode matters: CRIU refuses an open or mapped one with another. */
function hasMode(home: { readonly mode: number }, entry: Entry): boolean {
  return entry.kind !== 'file' || home.mode === (entry.mode & 0o777);
}
