import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { FlickError } from '../protocol/index.ts';

/**
 * Frames on a bulk stream: `u32 length (big-endian), u8 kind, payload`. Kind 0 is a JSON message, kind 1 raw data that
 * belongs to the message before it, kind 2 a JSON message in raw DEFLATE (RFC 1951). On a sealed stream 8 bytes follow.
 */
const headerBytes = 5;
const jsonKind = 0;
const dataKind = 1;
const packedKind = 2;

/** Messages from this size on are packed, in bytes: lists of files and the like become a fraction. */
const packFrom = 1_024;

/** Length of the mark that ends every frame of a sealed stream. */
const markBytes = 8;

/** Largest payload of a frame in bytes. What announces more is not one of ours. */
export const maxFrame = 1 << 20;

export type Frame =
  | { readonly kind: 'json'; readonly value: unknown }
  | { readonly kind: 'data'; readonly data: Buffer };

/**
 * The marks of one direction of a sealed stream: each depends on all frames up to its own, so that what is changed, left
 * out, repeated or put elsewhere on the way is noticed at once. Against mistakes of whoever carries the stream, not
 * against the other end.
 */
class Seal {
  #state: Buffer;

  constructor(start: readonly Buffer[]) {
    this.#state = digestOf(start);
  }

  mark(header: Buffer, payload: Buffer): Buffer {
    this.#state = digestOf([this.#state, header, payload]);
    return this.#state.subarray(0, markBytes);
  }
}

/** Both directions of one framed stream, with back-pressure: `send*` resolve when more may be written. */
export class FrameStream {
  readonly #stream: Duplex;
  readonly #frames: AsyncGenerator<Frame, void>;
  /** Bytes written so far, headers included. */
  bytesSent = 0;
  bytesReceived = 0;
  readonly #latest: { sent: Buffer; received: Buffer };
  #seals: { readonly out: Seal; readonly in: Seal } | undefined;

  constructor(stream: Duplex) {
    this.#stream = stream;
    this.#latest = { sent: Buffer.alloc(0), received: Buffer.alloc(0) };
    // Failures reach whoever reads or writes next; without a listener Node would end the process.
    stream.on('error', () => undefined);
    this.#frames = this.#read();
  }

  /**
   * From here on each frame has a mark. To be called on both sides when one has sent and the other received the same
   * message, and before anything else is said or heard; what was said last in either direction is sealed with it.
   */
  seal(): void {
    const { sent, received } = this.#latest;
    this.#seals = { out: new Seal([sent, received]), in: new Seal([received, sent]) };
  }

  async sendJson(value: unknown): Promise<void> {
    const text = Buffer.from(JSON.stringify(value), 'utf8');
    if (text.length > maxFrame) throw new Error('A message is too large for one frame.');
    if (text.length < packFrom) await this.#send(jsonKind, text);
    else await this.#send(packedKind, deflateRawSync(text, { level: 1 }));
  }

  /** Sends any number of bytes, as several frames when needed. */
  async sendData(data: Buffer): Promise<void> {
    for (let start = 0; start < data.length; start += maxFrame) {
      await this.#send(dataKind, data.subarray(start, start + maxFrame));
    }
  }

  /** The next frame. @throws when the stream ends, breaks, or carries something else than frames. */
  async receive(): Promise<Frame> {
    const next = await this.#frames.next();
    if (next.done === true) throw new Error('The other side closed the handoff stream.');
    return next.value;
  }

  async receiveJson(): Promise<unknown> {
    const frame = await this.receive();
    if (frame.kind !== 'json') throw new Error('Data arrived where a message was expected.');
    return frame.value;
  }

  async receiveData(): Promise<Buffer> {
    const frame = await this.receive();
    if (frame.kind !== 'data') throw new Error('A message arrived where data was expected.');
    return frame.data;
  }

  /** Says no more. What still arrives is read and dropped, so that the other side gets as far as reading why. */
  end(): void {
    this.#stream.end();
    void this.#discard();
  }

  destroy(): void {
    this.#stream.destroy();
  }

  async #discard(): Promise<void> {
    try {
      while ((await this.#frames.next()).done !== true);
    } catch {
      // Broken, or not ours: there is nothing left to read.
    }
  }

  async #send(kind: number, payload: Buffer): Promise<void> {
    if (payload.length > maxFrame) throw new Error('A message is too large for one frame.');
    if (this.#stream.destroyed || this.#stream.writableEnded) {
      throw new Error('The handoff stream is closed.');
    }
    const header = Buffer.alloc(headerBytes);
    header.writeUInt32BE(payload.length, 0);
    header.writeUInt8(kind, 4);
    const mark = this.#seals?.out.mark(header, payload);
    if (mark === undefined) this.#latest.sent = payload;
    this.bytesSent += headerBytes + payload.length + (mark?.length ?? 0);
    this.#stream.cork();
    this.#stream.write(header);
    let more = this.#stream.write(payload);
    if (mark !== undefined) more = this.#stream.write(mark);
    this.#stream.uncork();
    if (!more) await this.#drained();
  }

  async #drained(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const settle = (): void => {
        this.#stream.off('drain', settle);
        this.#stream.off('close', settle);
        if (this.#stream.destroyed) reject(new Error('The handoff stream is closed.'));
        else resolve();
      };
      this.#stream.on('drain', settle);
      this.#stream.on('close', settle);
    });
  }

  async *#read(): AsyncGenerator<Frame, void> {
    const pending: Buffer[] = [];
    let available = 0;
    const take = (count: number): Buffer => {
      const parts: Buffer[] = [];
      let missing = count;
      while (missing > 0) {
        const first = pending.shift();
        if (first === undefined) throw new Error('The frame buffer ran dry.');
        if (first.length > missing) {
          pending.unshift(first.subarray(missing));
          parts.push(first.subarray(0, missing));
          missing = 0;
        } else {
          parts.push(first);
          missing -= first.length;
        }
      }
      available -= count;
      const [only] = parts;
      return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
    };
    let header: { raw: Buffer; length: number; kind: number } | undefined;
    for await (const chunk of this.#stream) {
      if (!Buffer.isBuffer(chunk)) throw new Error('The handoff stream carries text.');
      pending.push(chunk);
      available += chunk.length;
      this.bytesReceived += chunk.length;
      for (;;) {
        if (header === undefined) {
          if (available < headerBytes) break;
          const raw = take(headerBytes);
          header = { raw, length: raw.readUInt32BE(0), kind: raw.readUInt8(4) };
          if (header.length > maxFrame || header.kind > packedKind) throw damaged();
        }
        const seal = this.#seals?.in;
        if (available < header.length + (seal === undefined ? 0 : markBytes)) break;
        const payload = take(header.length);
        const { raw, kind } = header;
        header = undefined;
        if (seal === undefined) this.#latest.received = payload;
        else if (!seal.mark(raw, payload).equals(take(markBytes))) throw damaged();
        yield kind === dataKind ? { kind: 'data', data: payload } : parseJson(kind, payload);
      }
    }
  }
}

function parseJson(kind: number, payload: Buffer): Frame {
  try {
    const text =
      kind === packedKind ? inflateRawSync(payload, { maxOutputLength: maxFrame }) : payload;
    return { kind: 'json', value: JSON.parse(text.toString('utf8')) as unknown };
  } catch (error) {
    throw damaged(error);
  }
}

function digestOf(parts: readonly Buffer[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function damaged(cause?: unknown): FlickError {
  return new FlickError(
    'transferFailed',
    'What arrived is not what the other device sent: it was damaged on the way.',
    { remedy: 'Try again; the process goes on where it was.', cause },
  );
}
