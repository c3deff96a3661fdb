import { createHash, randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import {
  receiveImages,
  sendImageBytes,
  type ImageFile,
} from '../../agent/handoff/imageTransfer.ts';
import { FrameStream } from '../../common/frames.ts';
import { messageOf } from '../../common/rpc.ts';
import type { Device } from '../../client/device.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { awaitHandoff, FlickError, receiveProcess, sendProcess } from '../../protocol/index.ts';

/** A file that the source never had. */
export interface Planted {
  readonly path: string;
  readonly content: string;
  readonly mode: number;
}

/** What a source that was tampered with does otherwise than an honest one. */
export interface Hostility {
  /** Changes the images; what is not named stays. Names may be any. */
  readonly images?: (images: ReadonlyMap<string, Buffer>) => ReadonlyMap<string, Buffer>;
  /** More bytes than announced, in the first image. */
  readonly overlong?: boolean;
  readonly files?: readonly Planted[];
  readonly links?: readonly { readonly path: string; readonly target: string }[];
  readonly offer?: Readonly<Record<string, unknown>>;
}

type Message = Record<string, unknown> & { readonly type?: string };

/**
 * Moves a process through a client that changes what the source sends: to the target it looks as if the source itself
 * were hostile, and what is sent is a real capsule in every other respect.
 * @returns the error that ended the move, or undefined when it went through
 */
export async function moveAsHostile(
  from: Device,
  to: Device,
  id: string,
  hostility: Hostility,
): Promise<FlickError | undefined> {
  const handoff = `h-${Array.from({ length: 16 }, () => randomInt(36).toString(36)).join('')}`;
  const parties = { handoff, id, source: from.name, target: to.name };
  const arriving = await to.request(receiveProcess, parties);
  const target = await to.openStream(arriving.ticket);
  const leaving = await from.request(sendProcess, parties);
  const source = await from.openStream(leaving.ticket);
  const forward = new Tampering(new FrameStream(source), new FrameStream(target), hostility);
  const over = Promise.allSettled([forward.run(), forward.back()]).then(() => {
    source.destroy();
    target.destroy();
  });
  try {
    await from.request(awaitHandoff, { handoff });
    return undefined;
  } catch (error) {
    return error instanceof FlickError ? error : new FlickError('internal', messageOf(error));
  } finally {
    await over;
  }
}

class Tampering {
  readonly #source: FrameStream;
  readonly #target: FrameStream;
  readonly #hostility: Hostility;
  /** How many entries of the list under way are the source's own: what is asked for beyond it is ours. */
  #own = 0;
  #wanted: Planted[] = [];

  constructor(source: FrameStream, target: FrameStream, hostility: Hostility) {
    this.#source = source;
    this.#target = target;
    this.#hostility = hostility;
  }

  async run(): Promise<void> {
    try {
      for (;;) {
        const frame = await this.#source.receive();
        if (frame.kind === 'data') await this.#target.sendData(frame.data);
        else await this.#forward(frame.value as Message);
      }
    } finally {
      this.#target.end();
    }
  }

  async back(): Promise<void> {
    try {
      for (;;) {
        const frame = await this.#target.receive();
        if (frame.kind === 'data') await this.#source.sendData(frame.data);
        else await this.#source.sendJson(this.#answer(frame.value as Message));
      }
    } finally {
      this.#source.end();
    }
  }

  async #forward(message: Message): Promise<void> {
    switch (message.type) {
      case 'offer':
        // Whoever sits in between could not change what comes after a seal.
        await this.#target.sendJson({ ...message, sealed: false, ...this.#hostility.offer });
        return;
      case 'entries':
        await this.#target.sendJson(this.#withPlanted(message));
        return;
      case 'done':
        for (const each of this.#wanted) await this.#sendPlanted(each);
        this.#wanted = [];
        await this.#target.sendJson(message);
        return;
      case 'images':
        await this.#forwardImages(message);
        return;
      default:
        await this.#target.sendJson(message);
    }
  }

  #withPlanted(message: Message): Message {
    const entries = message['entries'] as unknown[];
    this.#own += entries.length;
    if (message['last'] !== true) return message;
    const { files = [], links = [] } = this.#hostility;
    const common = { role: 'carried', mtimeMs: 1_700_000_000_000 };
    const planted = [
      ...links.map((each) => ({ kind: 'symlink', mode: 0o777, ...common, ...each })),
      ...files.map(({ path, content, mode }) => ({
        ...{ kind: 'file', ...common, path, mode, owner: { uid: 0, gid: 0 } },
        ...{ size: content.length, sha256: sha256(content) },
      })),
    ];
    return { ...message, entries: [...entries, ...planted] };
  }

  /** Notes what the target wants of ours, and asks the source for the rest. */
  #answer(message: Message): Message {
    if (message.type !== 'needed') return message;
    const indices = message['indices'] as number[];
    const { files = [], links = [] } = this.#hostility;
    const planted = [...links.map(() => undefined), ...files];
    for (const index of indices) {
      const each = planted[index - this.#own];
      if (index >= this.#own && each !== undefined) this.#wanted.push(each);
    }
    const own = indices.filter((index) => index < this.#own);
    if (message['last'] === true) this.#own = 0;
    return { ...message, indices: own };
  }

  async #sendPlanted({ path, content }: Planted): Promise<void> {
    await this.#target.sendJson({ type: 'file', path });
    await this.#target.sendData(Buffer.concat([Buffer.from([0]), Buffer.from(content)]));
    await this.#target.sendJson({ type: 'end', sha256: sha256(content) });
  }

  async #forwardImages(message: Message): Promise<void> {
    const announced = message['files'] as ImageFile[];
    const { signal } = new AbortController();
    const options = { onProgress: () => undefined, signal, pack: false };
    const folder = temporaryFolder();
    const images = new Map<string, Buffer>();
    try {
      await receiveImages(this.#source, folder.path, announced, options);
      for (const { name } of announced) images.set(name, readFileSync(join(folder.path, name)));
    } finally {
      folder.remove();
    }
    const changed = this.#hostility.images?.(images) ?? images;
    const files = [...changed].map(([name, content]) => ({ name, size: content.length }));
    await this.#target.sendJson({ ...message, files });
    const extra = this.#hostility.overlong === true ? [Buffer.alloc(1 << 20)] : [];
    await sendImageBytes(this.#target, Readable.from([...extra, ...changed.values()]), options);
  }
}

function sha256(content: string): string {
  return createHash('sha256').update(content).digest('hex');
}
