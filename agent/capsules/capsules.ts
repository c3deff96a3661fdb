import { mkdir, readFile, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { Emitter } from '../../common/event.ts';
import type { Logger } from '../../common/logger.ts';
import { messageOf } from '../../common/rpc.ts';
import {
  capsuleId,
  FlickError,
  type capsuleProgress,
  type DeviceDescription,
  type listCapsules,
  type ParamsOf,
  type restoreCapsule,
  type ResultOf,
  type saveCapsule,
  type showCapsule,
} from '../../protocol/index.ts';
import type { Engines } from '../engines/engine.ts';
import { totalBytes, type FileEntry } from '../files/manifest.ts';
import type { Handoffs } from '../handoff/handoffs.ts';
import { processFolders, removeTree } from '../processes/cells.ts';
import { progressInterval, type ManagedProcess } from '../processes/managedProcess.ts';
import type { Processes } from '../processes/processes.ts';
import { writeDurably, writeFailure } from '../state/durable.ts';
import type { AgentHome } from '../state/home.ts';
import { randomId } from '../state/ids.ts';
import { currentUser } from '../state/user.ts';
import { blocksOf, imageBytesOf } from './capsuleManifest.ts';
import type { CapsuleStore } from './capsuleStore.ts';
import { receiveFrom, sendTo } from './conversations.ts';
import { Player } from './player.ts';
import { Recorder } from './recorder.ts';
import { savingEngine } from './savingEngine.ts';

export interface CapsulesOptions {
  readonly home: AgentHome;
  /** Opens the store, once. */
  readonly store: () => Promise<CapsuleStore>;
  readonly handoffs: Handoffs;
  readonly processes: Processes;
  readonly engines: Engines;
  readonly device: () => Promise<DeviceDescription>;
  readonly logger: Logger;
}

type Progress = ParamsOf<typeof capsuleProgress>;
const largestShown = 100;

/**
 * Saves processes to capsules and makes processes of capsules. Both are handoffs of this agent with itself, in which a
 * recorder or a player takes the place of the other device; the process notices nothing but its pause.
 */
export class Capsules {
  readonly #options: CapsulesOptions;
  readonly #changed = new Emitter<void>();
  readonly #progress = new Emitter<Progress>();
  /** Names of capsules that are being saved. */
  readonly #reserved = new Set<string>();

  readonly onDidChange = this.#changed.event;
  readonly onDidProgress = this.#progress.event;

  constructor(options: CapsulesOptions) {
    this.#options = options;
  }

  async list(): Promise<ResultOf<typeof listCapsules>> {
    const store = await this.#options.store();
    return { capsules: [...store.list()], damaged: [...store.damaged()] };
  }

  /** @throws {FlickError} `noSuchCapsule`, `capsuleDamaged` */
  async show(id: string): Promise<ResultOf<typeof showCapsule>> {
    const { engines } = this.#options;
    const store = await this.#options.store();
    const manifest = await store.manifest(id);
    const info = store.list().find((each) => each.id === id);
    if (info === undefined) throw new Error('A capsule went while it was shown.');
    const facts = engines[manifest.facts.engine].parseFacts(manifest.facts);
    const files = manifest.entries.filter((each): each is FileEntry => each.kind === 'file');
    const largest = [...files].sort((a, b) => b.size - a.size).slice(0, largestShown);
    return {
      ...info,
      pauseMs: manifest.pauseMs,
      needs: { architecture: facts.architecture, kernel: facts.kernel },
      ports: facts.listening.map(({ protocol, address, port }) => ({ protocol, address, port })),
      imageBytes: imageBytesOf(manifest),
      fileBytes: totalBytes(files),
      files: files.length,
      largestFiles: largest.map(({ path, size, sha256 }) => ({ path, size, sha256 })),
      ownBytes: store.blocks.bytesOf(blocksOf(manifest), 1),
    };
  }

  /**
   * Saves a process that runs and goes on.
   * @throws {FlickError} why it could not be saved; nothing of the capsule is left then, and the process runs on
   */
  async save(
    params: ParamsOf<typeof saveCapsule>,
    signal: AbortSignal,
  ): Promise<ResultOf<typeof saveCapsule>> {
    const { handoffs, processes, device, logger } = this.#options;
    const started = performance.now();
    const store = await this.#options.store();
    const managed = processes.get(params.process);
    const name = this.#reserve(store, params.name, managed.record.name);
    const staging = store.stagingFolder(params.operation);
    const recorder = new Recorder({
      folder: staging,
      blocks: store.blocks,
      signal,
      onProgress: this.#reporter(params.operation),
    });
    try {
      await mkdir(staging, { mode: 0o700 }).catch((error: unknown) => {
        throw writeFailure(staging, error);
      });
      const departure = await handoffs.send(
        {
          handoff: params.operation,
          id: params.process,
          source: hostname(),
          target: `the capsule “${name}”`,
          engine: await savingEngine(managed, await device()),
        },
        'capsule',
      );
      await receiveFrom(departure, (frames) => recorder.receive(frames), signal);
      const pauseMs = Math.round((performance.now() - recorder.frozenAt) * 10) / 10;
      const recorded = await recorder.store();
      const id = randomId('c', 10);
      const capsule = await store.add({
        version: 1,
        id,
        name,
        savedAt: Date.now(),
        device: { deviceId: processes.deviceId, hostName: hostname() },
        parent: (await this.#newestOf(managed.folders.root)) ?? null,
        pauseMs,
        ...recorded,
      });
      await this.#setNewest(managed.folders.root, id);
      this.#changed.fire();
      return { capsule, pauseMs, totalMs: Math.round(performance.now() - started) };
    } catch (error) {
      if (signal.aborted) throw new FlickError('cancelled', 'Saving was cancelled.');
      throw asFailedSave(error, managed);
    } finally {
      this.#reserved.delete(name);
      const tidy = [removeTree(staging), store.blocks.release(recorder.held)];
      for (const each of await Promise.allSettled(tidy)) {
        if (each.status === 'rejected') {
          logger.log('error', 'tidying up after saving a capsule failed', {
            error: messageOf(each.reason),
          });
        }
      }
    }
  }

  /**
   * Makes another process of a capsule. Its files are in a layer of its own, wherever it is restored, so that neither
   * the device's files nor another process of the same capsule ever sees what it writes.
   * @throws {FlickError} why it could not be restored; nothing of it is left then
   */
  async restore(
    params: ParamsOf<typeof restoreCapsule>,
    signal: AbortSignal,
  ): Promise<ResultOf<typeof restoreCapsule>> {
    const { handoffs, processes, home } = this.#options;
    const started = performance.now();
    const store = await this.#options.store();
    const restored = await store.reading(params.capsule, async (manifest) => {
      const id = randomId('p', 10);
      const { name, process: saved } = manifest;
      const label = `the capsule “${name}”`;
      const target = hostname();
      const arrival = await handoffs.receive(
        { handoff: params.operation, id, source: label, target },
        true,
      );
      const report = this.#reporter(params.operation);
      const player = new Player({
        handoff: params.operation,
        manifest,
        process: {
          ...saved,
          id,
          name: params.name ?? saved.name,
          // To the capsule's own files it never comes home, so they are in a layer everywhere.
          home: { deviceId: manifest.id, hostName: label, user: currentUser().name },
        },
        blocks: store.blocks,
        signal,
        onProgress: (done, total) => report('restore', done, total),
      });
      const said = await sendTo(arrival, (frames) => player.send(frames), signal).catch(
        (error: unknown) => {
          throw signal.aborted ? new FlickError('cancelled', 'Restoring was cancelled.') : error;
        },
      );
      await this.#setNewest(processFolders(home, id).root, manifest.id);
      return { id, said };
    });
    return {
      process: processes.get(restored.id).info(),
      totalMs: Math.round(performance.now() - started),
      remarks: [...restored.said],
    };
  }

  /** @throws {FlickError} `noSuchCapsule`, `busy` */
  async remove(id: string): Promise<void> {
    await (await this.#options.store()).remove(id);
    this.#changed.fire();
  }

  /** @throws {FlickError} `refused` when another capsule has the name that was asked for */
  #reserve(store: CapsuleStore, asked: string | undefined, fallback: string): string {
    const taken = new Set([...store.list().map((each) => each.name), ...this.#reserved]);
    if (asked !== undefined && taken.has(asked)) {
      throw new FlickError('refused', `There is a capsule “${asked}” on this device already.`, {
        remedy: 'Choose another name, or remove that capsule first.',
      });
    }
    let name = asked ?? fallback;
    for (let number = 2; taken.has(name); number += 1) {
      const suffix = ` ${String(number)}`;
      name = `${fallback.slice(0, 200 - suffix.length)}${suffix}`;
    }
    this.#reserved.add(name);
    return name;
  }

  /** The newest capsule in the history of the process whose folder this is. */
  async #newestOf(folder: string): Promise<string | undefined> {
    const text = await readFile(join(folder, 'capsule'), 'utf8').catch(() => '');
    const id = text.trim();
    return v.is(capsuleId, id) ? id : undefined;
  }

  async #setNewest(folder: string, id: string): Promise<void> {
    // The process may have ended and been dismissed in the meantime; then it has no history.
    await writeDurably(join(folder, 'capsule'), `${id}\n`).catch(() =>
      rm(join(folder, 'capsule'), { force: true }),
    );
  }

  #reporter(operation: string): (step: Progress['step'], done: number, total: number) => void {
    let last: { readonly step: Progress['step']; readonly at: number } | undefined;
    return (step, doneBytes, total) => {
      const now = performance.now();
      if (last?.step === step && now - last.at < progressInterval) return;
      last = { step, at: now };
      this.#progress.fire({ operation, step, doneBytes, totalBytes: Math.max(total, doneBytes) });
    };
  }
}

/** There is no link that could be lost: what a source takes for that is what it met while it looked at the process. */
function asFailedSave(error: unknown, { record, isLive }: ManagedProcess): unknown {
  if (!(error instanceof FlickError) || error.reason !== 'linkLost') return error;
  if (!isLive) {
    return new FlickError('processGone', `“${record.name}” ended while it was being saved.`, {
      cause: error,
    });
  }
  const cause = messageOf(error.cause ?? error);
  return new FlickError('dumpFailed', `“${record.name}” could not be saved: ${cause}`, {
    remedy: 'Try again. It runs on.',
    cause: error,
  });
}
