import { lstat } from 'node:fs/promises';
import { isAbsolute, resolve } from 'node:path';
import type { FileFacts } from '../engines/criu/facts.ts';
import type { TreeFacts } from '../engines/engine.ts';
import { collectEntries } from '../files/collect.ts';
import type { Hasher } from '../files/hashing.ts';
import { planLayer, type LayerPlan } from '../files/layer.ts';
import { layerChanges } from '../files/layerChanges.ts';
import { inPathOrder, isCarriable, type Entry } from '../files/manifest.ts';
import { readProc } from '../procfs/read.ts';
import type { ManagedProcess } from '../processes/managedProcess.ts';
import { layerFolder } from '../processes/cells.ts';
import type { AgentHome } from '../state/home.ts';
import { readManifest } from './manifestFile.ts';

/** Largest file named on the command line that travels by itself, in bytes. */
const maxArgumentFile = 64 << 20;

/** The files that leave with a process. */
export class DepartureFiles {
  /** Where the agent sees the process's files. */
  readonly view: string;
  /** Directory trees that are carried whole. */
  readonly carriedRoots: readonly string[];
  readonly #managed: ManagedProcess;
  readonly #home: AgentHome;
  readonly #hasher: Hasher;
  #layer: { readonly plan: LayerPlan; readonly arrived: readonly Entry[] } | undefined;

  private constructor(
    managed: ManagedProcess,
    home: AgentHome,
    hasher: Hasher,
    view: string,
    carriedRoots: readonly string[],
  ) {
    this.#managed = managed;
    this.#home = home;
    this.#hasher = hasher;
    this.view = view;
    this.carriedRoots = carriedRoots;
  }

  static async open(
    managed: ManagedProcess,
    facts: TreeFacts,
    home: AgentHome,
    hasher: Hasher,
  ): Promise<DepartureFiles> {
    const view = `/proc/${managed.cell?.keeperPid ?? facts.rootPid}/root`;
    const roots = facts.packageRoots.filter((each) => each.complete).map((each) => each.path);
    const named = await argumentFiles(view, managed.record.command, managed.record.cwd);
    const carry = [...managed.record.carry, ...roots, ...named].filter(
      (path, index, all) => isCarriable(path) && all.indexOf(path) === index,
    );
    const files = new DepartureFiles(managed, home, hasher, view, carry);
    await files.#openLayer();
    return files;
  }

  /** All entries as they are now; cheap the second time, since unchanged files are not hashed again. */
  async collect(facts: FileFacts, signal: AbortSignal): Promise<Entry[]> {
    const mapped = facts.mappedFiles.filter((each) => !each.deleted && isCarriable(each.path));
    const open = facts.openFiles.filter(
      (each) => !each.deleted && each.kind !== 'fifo' && isCarriable(each.path),
    );
    const sharedWritable = mapped.filter((each) => each.sharedWritable).map((each) => each.path);
    const { entries } = await collectEntries(
      this.view,
      {
        mapped: unique(mapped.map((each) => each.path)),
        open: unique(open.map((each) => each.path)),
        carry: this.carriedRoots,
        cwds: facts.cwds.filter(isCarriable),
        sharedWritable,
      },
      { hasher: this.#hasher, signal },
    );
    if (this.#layer === undefined) return entries;
    const changes = await layerChanges(this.#layer.plan, this.#layer.arrived, this.view, {
      hasher: this.#hasher,
      signal,
      sharedWritable,
      ignore: [this.#home.root],
    });
    const merged = new Map(changes.entries.map((each) => [each.path, each]));
    for (const each of entries) merged.set(each.path, each);
    return inPathOrder(merged.values());
  }

  async #openLayer(): Promise<void> {
    const { record, folders } = this.#managed;
    if (record.cell?.layered !== true) return;
    const layer = layerFolder(folders, record.cell.number);
    const mountinfo = (await readProc('/proc/self/mountinfo')) ?? '';
    this.#layer = {
      plan: planLayer(mountinfo, this.#home.root, layer),
      arrived: await readManifest(folders.manifest),
    };
  }
}

/**
 * Files that the command line names: an editor's text, a server's configuration. The process may have read them long
 * ago without keeping them open, and wants them again.
 */
async function argumentFiles(
  view: string,
  command: readonly string[],
  cwd: string,
): Promise<string[]> {
  const found: string[] = [];
  for (const word of command.slice(1, 100)) {
    if (word === '' || word.startsWith('-') || word.includes('\0')) continue;
    const path = isAbsolute(word) ? resolve(word) : resolve(cwd, word);
    const status = await lstat(`${view}${path}`).catch(() => undefined);
    if (status?.isFile() === true && status.size <= maxArgumentFile) found.push(path);
  }
  return found;
}

function unique(paths: readonly string[]): string[] {
  return [...new Set(paths)];
}
