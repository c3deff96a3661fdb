import { lstat, readdir } from 'node:fs/promises';
import { isErrno } from '../state/durable.ts';
import { collectEntries, type CollectOptions, type Skipped } from './collect.ts';
import { type LayerPlan, overlayOf } from './layer.ts';
import { isWhiteout } from './layerWriter.ts';
import { childOf, type Entry, inPathOrder, isBelow, isCarriable, parentOf } from './manifest.ts';
import { LinkInPath, Tree } from './tree.ts';

export interface LayerChanges {
  /** All that travels on: what arrived, as it is now, and what the process made; deletions as `deleted` entries. */
  readonly entries: Entry[];
  readonly skipped: Skipped[];
  readonly created: string[];
  readonly changed: string[];
  readonly deleted: string[];
}

export interface LayerChangesOptions extends CollectOptions {
  /** The device below the layer. */
  readonly base?: string;
  /** Directories in the layer that are Flick's own. */
  readonly ignore?: readonly string[];
  /** See `Wanted.sharedWritable`. */
  readonly sharedWritable?: readonly string[];
}

/**
 * What an away process has done to its files. The uppers tell which paths to look at; contents are read through the
 * cell's view, since an upper file can be a mere attribute change (overlayfs `metacopy`).
 * @param view `/proc/KEEPER/root` of the cell, frozen or running
 * @throws {FlickError} as `collectEntries`
 */
export async function layerChanges(
  plan: LayerPlan,
  arrived: readonly Entry[],
  view: string,
  options: LayerChangesOptions = {},
): Promise<LayerChanges> {
  const walked = await walkUppers(plan, view, options);
  const before = new Map(arrived.map((entry) => [entry.path, entry]));
  const wanted = (role: Entry['role']): string[] =>
    arrived
      .filter((each) => each.role === role && each.kind !== 'deleted')
      .map((each) => each.path);
  // Each by its own path: a carried tree was walked when it left, and what came since is in the uppers.
  const collection = await collectEntries(
    view,
    {
      mapped: wanted('mapped'),
      open: wanted('open'),
      cwds: wanted('cwd'),
      carry: [],
      changed: [...wanted('carried'), ...wanted('new'), ...walked.present],
      sharedWritable: options.sharedWritable ?? [],
    },
    options,
  );
  const now = new Map<string, Entry>();
  for (const entry of collection.entries) {
    const role = before.get(entry.path)?.role ?? entry.role;
    now.set(entry.path, { ...entry, role });
  }
  const present = new Set(walked.present);
  const gone = new Set(walked.deleted);
  for (const { path } of arrived) if (!now.has(path)) gone.add(path);
  const stillThere = new Set(collection.skipped.map(({ path }) => path));
  const deleted: string[] = [];
  for (const path of [...gone].sort()) {
    if (now.has(path) || (stillThere.has(path) && !(await isGone(view, path)))) continue;
    if (isCarriable(path)) deleted.push(path);
  }
  for (const path of deleted) {
    now.set(path, { kind: 'deleted', path, role: before.get(path)?.role ?? 'new' });
  }
  return {
    entries: inPathOrder(now.values()),
    skipped: collection.skipped.filter(({ path }) => !now.has(path)),
    created: [...now.values()]
      .filter((entry) => entry.kind !== 'deleted' && !isKnown(before, entry))
      .filter((entry) => present.has(entry.path))
      .map((entry) => entry.path),
    changed: [...now.values()]
      .filter((entry) => differs(before.get(entry.path), entry))
      .map((e) => e.path),
    deleted: deleted.filter((path) => before.get(path)?.kind !== 'deleted'),
  };
}

function isKnown(before: ReadonlyMap<string, Entry>, entry: Entry): boolean {
  const earlier = before.get(entry.path);
  return earlier !== undefined && earlier.kind !== 'deleted';
}

function differs(before: Entry | undefined, now: Entry): boolean {
  if (before === undefined || now.kind === 'deleted' || before.kind === 'deleted') return false;
  if (before.kind !== now.kind || before.mode !== now.mode) return true;
  if (now.kind === 'file' && before.kind === 'file') return now.sha256 !== before.sha256;
  return now.kind === 'symlink' && before.kind === 'symlink' && now.target !== before.target;
}

async function isGone(view: string, path: string): Promise<boolean> {
  const tree = await Tree.open(view);
  try {
    return (await tree.status(path)) === undefined;
  } catch (error) {
    if (error instanceof LinkInPath) return true;
    throw error;
  } finally {
    await tree.close();
  }
}

interface Walked {
  readonly present: string[];
  readonly deleted: string[];
}

async function walkUppers(
  plan: LayerPlan,
  view: string,
  options: LayerChangesOptions,
): Promise<Walked> {
  const base = await Tree.open(options.base ?? '/');
  const seen = await Tree.open(view);
  const walked: Walked = { present: [], deleted: [] };
  try {
    for (const overlay of plan.overlays) {
      const upper = await Tree.open(overlay.upper);
      try {
        const walk = new UpperWalk(upper, base, seen, walked, (path) => {
          if (options.ignore?.some((folder) => isBelow(path, folder)) === true) return false;
          return overlayOf(plan, path) === overlay;
        });
        await walk.folder('/', overlay.mountPoint);
      } finally {
        await upper.close();
      }
    }
  } finally {
    await base.close();
    await seen.close();
  }
  return walked;
}

class UpperWalk {
  readonly #upper: Tree;
  readonly #base: Tree;
  readonly #view: Tree;
  readonly #walked: Walked;
  readonly #counts: (path: string) => boolean;

  constructor(
    upper: Tree,
    base: Tree,
    view: Tree,
    walked: Walked,
    counts: (path: string) => boolean,
  ) {
    this.#upper = upper;
    this.#base = base;
    this.#view = view;
    this.#walked = walked;
    this.#counts = counts;
  }

  async folder(inner: string, path: string): Promise<void> {
    const names = await namesIn(this.#upper, inner);
    for (const name of names) {
      const child = childOf(path, name);
      if (!this.#counts(child)) continue;
      const status = await this.#upper.status(childOf(inner, name));
      if (status === undefined) continue;
      if (isWhiteout(status)) this.#walked.deleted.push(child);
      else {
        // A directory that the device has too is there because of what is in it.
        const shadows = status.isDirectory() && (await isDirectory(this.#base, child));
        if (!shadows) this.#walked.present.push(child);
        if (status.isDirectory()) await this.folder(childOf(inner, name), child);
      }
    }
    await this.#hidden(path, new Set(names));
  }

  /**
   * A directory that was removed and made again is opaque: all of the device's own content is hidden without
   * whiteouts. The mark is an extended attribute, which node:fs cannot read, so the view is compared instead.
   */
  async #hidden(path: string, inUpper: ReadonlySet<string>): Promise<void> {
    if (parentOf(path) === path || !(await isDirectory(this.#base, path))) return;
    const visible = new Set(await namesIn(this.#view, path));
    for (const name of await namesIn(this.#base, path)) {
      const child = childOf(path, name);
      if (visible.has(name) || inUpper.has(name) || !this.#counts(child)) continue;
      this.#walked.deleted.push(child);
    }
  }
}

async function namesIn(tree: Tree, folder: string): Promise<string[]> {
  try {
    return await tree.within(folder, (at) => readdir(at('')));
  } catch (error) {
    if (error instanceof LinkInPath || isErrno(error, 'ENOENT', 'EACCES')) return [];
    throw error;
  }
}

async function isDirectory(tree: Tree, path: string): Promise<boolean> {
  try {
    return await tree.at(path, async (at) => (await lstat(at)).isDirectory());
  } catch (error) {
    if (error instanceof LinkInPath || isErrno(error, 'ENOENT', 'EACCES')) return false;
    throw error;
  }
}
