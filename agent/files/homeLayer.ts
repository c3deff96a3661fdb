import { open, mkdir, rename, rm } from 'node:fs/promises';
import { constants } from 'node:fs';
import type { AwayRecord, HomecomingPlan } from './homecoming.ts';
import type { LayerPlan } from './layer.ts';
import { failure, finishFile, LayerWriter, writeFully } from './layerWriter.ts';
import { type Entry, type FileEntry, inPathOrder, isBelow, parentOf } from './manifest.ts';
import type { FileSink, IncomingFile } from './transfer.ts';
import { Tree } from './tree.ts';

/**
 * How a cell at home gets the files that home never sent. A file that exists here is bound over by the process's own;
 * for one that does not, the closest directory that exists gets an overlay, and what the process may really write
 * (its carried trees and the files that went along) is bound back over that. Mount overlays first, then binds in order.
 */
export interface HomeLayerPlan {
  readonly layer: LayerPlan;
  readonly binds: { readonly source: string; readonly path: string }[];
  /** Entries to hand to `HomeLayer`: directories and links; files come through `create`. */
  readonly place: Exclude<Entry, FileEntry>[];
  readonly kept: ReadonlyMap<string, string>;
}

/** @param layerDir a directory of the cell that `canHoldLayer` */
export async function planHomeLayer(
  plan: HomecomingPlan,
  away: AwayRecord,
  layerDir: string,
  base = '/',
): Promise<HomeLayerPlan> {
  const tree = await Tree.open(base);
  try {
    const kept = new Map<string, string>();
    const missing: Entry[] = [];
    for (const step of plan.steps) {
      if (step.verdict !== 'notAllowed' || step.entry.kind === 'deleted') continue;
      if (!step.exists) missing.push(step.entry);
      else if (step.entry.kind === 'file') {
        kept.set(step.entry.path, `${layerDir}/kept/${kept.size}`);
      }
    }
    const tops = new Set<string>();
    for (const entry of inPathOrder(missing)) {
      const resolved = (await tree.resolve(parentOf(entry.path))).path;
      let top = resolved;
      while ((await tree.status(top === '/' ? '/.' : top)) === undefined) top = parentOf(top);
      if (![...tops].some((other) => isBelow(top, other))) tops.add(top);
    }
    const outermost = [...tops].filter(
      (top) => ![...tops].some((other) => other !== top && isBelow(top, other)),
    );
    const overlays = outermost.map((mountPoint, index) => ({
      mountPoint,
      upper: `${layerDir}/home-${index}/upper`,
      work: `${layerDir}/home-${index}/work`,
    }));
    const covered = (path: string): boolean =>
      overlays.some(({ mountPoint }) => path !== mountPoint && isBelow(path, mountPoint));
    const roots = away.carriedRoots.filter(covered);
    const files = Object.keys(away.files)
      .filter((path) => away.files[path] !== 'directory' && !away.files[path]?.startsWith('-> '))
      .filter((path) => covered(path) && !roots.some((root) => isBelow(path, root)));
    const real: string[] = [];
    for (const path of [...roots, ...files]) {
      const status = await tree.status(path);
      if (status?.isDirectory() === true || status?.isFile() === true) real.push(path);
    }
    return {
      layer: { overlays, bare: [] },
      binds: [
        ...real.map((path) => ({ source: path, path })),
        ...[...kept].map(([path, source]) => ({ source, path })),
      ],
      place: inPathOrder(missing).filter((entry) => entry.kind !== 'file'),
      kept,
    };
  } finally {
    await tree.close();
  }
}

/** Writes what `planHomeLayer` laid out; the `layer` of a `Homecoming`. */
export class HomeLayer implements FileSink {
  readonly #plan: HomeLayerPlan;
  readonly #writer: LayerWriter;

  private constructor(plan: HomeLayerPlan, writer: LayerWriter) {
    this.#plan = plan;
    this.#writer = writer;
  }

  /** @throws {FlickError} as `LayerWriter` */
  static async open(plan: HomeLayerPlan, base = '/'): Promise<HomeLayer> {
    const writer = await LayerWriter.open(plan.layer, { base });
    try {
      for (const entry of plan.place) await writer.place(entry);
    } catch (error) {
      await writer.close();
      throw error;
    }
    return new HomeLayer(plan, writer);
  }

  async create(entry: FileEntry): Promise<IncomingFile> {
    const path = this.#plan.kept.get(entry.path);
    if (path === undefined) return await this.#writer.create(entry);
    const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
      try {
        return await work();
      } catch (error) {
        throw await failure(entry.path, parentOf(path), entry.size, error);
      }
    };
    return await guarded(async () => {
      await mkdir(parentOf(path), { recursive: true, mode: 0o700 });
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC;
      const file = await open(`${path}.new`, flags, 0o600);
      return {
        write: (data, position) => guarded(() => writeFully(file, data, position)),
        accept: () =>
          guarded(async () => {
            await finishFile(file, entry, undefined);
            await file.close();
            await rename(`${path}.new`, path);
          }),
        discard: async () => {
          await file.close().catch(() => undefined);
          await rm(`${path}.new`, { force: true });
        },
      };
    });
  }

  async seal(): Promise<void> {
    await this.#writer.seal();
  }

  async close(): Promise<void> {
    await this.#writer.close();
  }
}
