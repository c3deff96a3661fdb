import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { FrameStream } from '../../common/frames.ts';
import type { CapsuleStep } from '../../protocol/index.ts';
import { totalBytes, type Entry, type FileEntry } from '../files/manifest.ts';
import { writeFully } from '../files/layerWriter.ts';
import { receiveFiles, type FileSink, type IncomingFile } from '../files/transfer.ts';
import { receiveEntries, sendNeeded } from '../handoff/entryList.ts';
import { receiveImages } from '../handoff/imageTransfer.ts';
import {
  expect,
  handoffWire,
  images,
  offer,
  type Images,
  type Offer,
} from '../handoff/messages.ts';
import { receiveScrollback } from '../handoff/scrollback.ts';
import { makePrivateFolder } from '../processes/cells.ts';
import { writeFailure } from '../state/durable.ts';
import type { BlockStore } from './blockStore.ts';
import type { CapsuleManifest, Content } from './capsuleManifest.ts';
import { storeFile } from './contentFile.ts';

export interface RecorderOptions {
  /** An empty folder on the store's file system. */
  readonly folder: string;
  readonly blocks: BlockStore;
  readonly signal: AbortSignal;
  readonly onProgress: (step: CapsuleStep, doneBytes: number, totalBytes: number) => void;
}

/** What a capsule is made of, beside what people say about it. */
export type Recorded = Pick<
  CapsuleManifest,
  | 'process'
  | 'facts'
  | 'senderUid'
  | 'userNamespace'
  | 'entries'
  | 'contents'
  | 'scrollback'
  | 'images'
>;

/**
 * Stands in for the target of a handoff and keeps what the source sends. While the process stands still nothing is
 * hashed or compressed: what is sent then is put aside as it is and stored when the process runs again.
 */
export class Recorder {
  readonly #options: RecorderOptions;
  readonly #contents = new Map<string, Content>();
  /** Files that were put aside, by the SHA-256 of their content. */
  readonly #aside = new Map<string, string>();
  readonly #held: string[] = [];
  #stage: Omit<Recorded, 'contents' | 'scrollback' | 'images'> | undefined;
  #images: Images | undefined;
  #scrollbackBase = 0;
  #number = 0;
  #step: CapsuleStep = 'copy';
  #doneBytes = 0;
  #totalBytes = 0;
  /** When the process was about to be frozen, by the monotonic clock in ms. */
  frozenAt = 0;

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  /** Blocks that this recorder holds; whoever made it gives them back. */
  get held(): readonly string[] {
    return this.#held;
  }

  /**
   * Takes all that the source's half of a handoff sends, and then calls the handoff off, upon which the process runs on.
   * @throws {FlickError} `diskFull`; what the source gave up with
   */
  async receive(frames: FrameStream): Promise<void> {
    const { signal } = this.#options;
    const offered = await expect(frames, offer);
    await frames.sendJson({ type: 'accept', wire: handoffWire, findings: [] });
    this.#begin('copy', 0);
    await this.#receiveFiles(frames, offered, false);
    this.frozenAt = performance.now();
    await frames.sendJson({ type: 'placed', bytes: this.#doneBytes });
    await this.#receiveFiles(frames, offered, true);
    const { base, bytes } = await receiveScrollback(frames);
    this.#scrollbackBase = base;
    await this.#putAside(this.#path('scrollback'), bytes);
    const announced = await expect(frames, images);
    this.#images = announced;
    this.#begin(
      'freeze',
      announced.files.reduce((sum, each) => sum + each.size, 0),
    );
    const folder = this.#path('images');
    await makePrivateFolder(folder);
    await receiveImages(frames, folder, announced.files, { onProgress: this.#onBytes, signal });
  }

  /** Stores what was put aside. @throws {FlickError} `diskFull`, `cancelled` */
  async store(): Promise<Recorded> {
    const stage = this.#stage;
    const announced = this.#images;
    if (stage === undefined || announced === undefined) throw new Error('Nothing was received.');
    const waiting = stage.entries.filter(
      (each): each is FileEntry => each.kind === 'file' && this.#aside.has(each.sha256),
    );
    const imageBytes = announced.files.reduce((sum, each) => sum + each.size, 0);
    this.#begin('store', imageBytes + totalBytes(waiting));
    for (const [sha256, path] of this.#aside) this.#contents.set(sha256, await this.#store(path));
    const files: Recorded['images']['files'] = [];
    for (const { name } of announced.files) {
      files.push({ name, content: await this.#store(join(this.#path('images'), name)) });
    }
    const content = await this.#store(this.#path('scrollback'));
    const { root, terminalKeys, keepConnections } = announced;
    // What was there while the process ran may have changed before it was frozen.
    const needed = new Set(
      stage.entries.flatMap((each) => (each.kind === 'file' ? [each.sha256] : [])),
    );
    return {
      ...stage,
      contents: Object.fromEntries([...this.#contents].filter(([sha256]) => needed.has(sha256))),
      scrollback: { base: this.#scrollbackBase, content },
      images: { root, terminalKeys, keepConnections, files },
    };
  }

  async #receiveFiles(frames: FrameStream, offered: Offer, last: boolean): Promise<void> {
    const { signal } = this.#options;
    const entries = await receiveEntries(frames, this.#stage?.entries ?? []);
    const missing = new Map<string, Entry>();
    for (const each of entries) {
      // Content is asked for once, however many files have it.
      if (each.kind === 'file' && !this.#contents.has(each.sha256)) missing.set(each.sha256, each);
    }
    const wanted = new Set([...missing.values()].map((each) => each.path));
    await sendNeeded(frames, entries, wanted);
    if (!last) this.#begin('copy', totalBytes(missing.values()));
    else this.#begin('freeze', totalBytes(missing.values()));
    const expected = entries.filter((each) => wanted.has(each.path));
    const sink: FileSink = { create: (entry) => this.#create(entry, last) };
    await receiveFiles(frames, sink, expected, { signal, onProgress: this.#onBytes });
    const { process, facts, senderUid, userNamespace } = offered;
    this.#stage = { process, facts, senderUid, userNamespace, entries };
  }

  async #create(entry: FileEntry, aside: boolean): Promise<IncomingFile> {
    this.#number += 1;
    const path = this.#path(`file-${String(this.#number)}`);
    const file = await open(path, 'wx', 0o600);
    const discard = async (): Promise<void> => {
      await file.close().catch(() => undefined);
      await rm(path, { force: true });
    };
    return {
      write: (data, position) =>
        writeFully(file, data, position).catch((error: unknown) => {
          throw writeFailure(path, error);
        }),
      accept: async () => {
        await file.truncate(entry.size);
        await file.close();
        if (aside) this.#aside.set(entry.sha256, path);
        else this.#contents.set(entry.sha256, await this.#store(path, () => undefined));
      },
      discard,
    };
  }

  async #putAside(path: string, content: Buffer): Promise<void> {
    try {
      const file = await open(path, 'wx', 0o600);
      await writeFully(file, content, 0).finally(() => file.close());
    } catch (error) {
      throw writeFailure(path, error);
    }
  }

  async #store(path: string, onProgress = this.#onBytes): Promise<Content> {
    const { blocks, signal } = this.#options;
    const stored = await storeFile(path, blocks, this.#held, { signal, onProgress });
    await rm(path);
    return stored;
  }

  #begin(step: CapsuleStep, bytes: number): void {
    this.#step = step;
    this.#doneBytes = 0;
    this.#totalBytes = bytes;
    this.#onBytes(0);
  }

  readonly #onBytes = (bytes: number): void => {
    this.#doneBytes += bytes;
    this.#options.onProgress(this.#step, this.#doneBytes, this.#totalBytes);
  };

  #path(name: string): string {
    return join(this.#options.folder, name);
  }
}
