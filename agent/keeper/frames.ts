/**
 * Wire format of the keeper's socket: frames of `u32 length, u8 type, payload`, little-endian, `length` counting the
 * payload alone, at most {@link maxPayload} bytes. The other side is native/keeper.h; README.md is the contract.
 */
export const maxPayload = 1 << 20;

/** The payload of a request begins with a u32 tag, which its reply or error repeats. */
export const requestType = {
  state: 1,
  launch: 2,
  exec: 3,
  verdict: 4,
  pin: 5,
  track: 6,
  input: 7,
  resize: 8,
  signal: 9,
  subscribe: 10,
  preload: 11,
  shutdown: 12,
  claim: 13,
  announce: 14,
  unsubscribe: 15,
  hush: 16,
  lazy: 17,
  arrived: 18,
  lazyState: 19,
} as const;

export type RequestType = (typeof requestType)[keyof typeof requestType];

export const answerType = {
  reply: 128,
  error: 129,
  execDone: 130,
  held: 131,
  output: 132,
  exited: 133,
  wanted: 134,
  lazyDone: 135,
} as const;

export interface Frame {
  readonly type: number;
  readonly payload: Buffer;
}

/** A frame or a payload that is not what the contract says. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
}

export function encodeFrame(type: number, payload: Buffer): Buffer {
  if (payload.length > maxPayload) {
    throw new FrameError(`Failed to encode a frame: ${payload.length} bytes of ${maxPayload}`);
  }
  const head = Buffer.alloc(5);
  head.writeUInt32LE(payload.length, 0);
  head.writeUInt8(type, 4);
  return Buffer.concat([head, payload]);
}

/** Cuts a byte stream into frames. */
export class FrameDecoder {
  #chunks: Buffer[] = [];
  #pending = 0;
  /** Bytes needed before anything can be cut off; keeps a large frame from being joined again with every chunk. */
  #wanted = 5;

  /** @throws {FrameError} when a frame is longer than {@link maxPayload}; the stream is then useless */
  push(chunk: Buffer): Frame[] {
    this.#chunks.push(chunk);
    this.#pending += chunk.length;
    if (this.#pending < this.#wanted) return [];
    let rest = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
    const frames: Frame[] = [];
    this.#wanted = 5;
    while (rest.length >= 5) {
      const length = rest.readUInt32LE(0);
      if (length > maxPayload) throw new FrameError(`Failed to read a frame of ${length} bytes`);
      this.#wanted = 5 + length;
      if (rest.length < this.#wanted) break;
      frames.push({ type: rest.readUInt8(4), payload: rest.subarray(5, this.#wanted) });
      rest = rest.subarray(this.#wanted);
      this.#wanted = 5;
    }
    this.#chunks = rest.length > 0 ? [rest] : [];
    this.#pending = rest.length;
    return frames;
  }
}

/** Builds a payload. Strings are `u32 length` and UTF-8 bytes, lists `u32 count` and strings. */
export class PayloadWriter {
  readonly #parts: Buffer[] = [];

  u8(value: number): this {
    return this.#number(1, (part) => part.writeUInt8(value));
  }

  u16(value: number): this {
    return this.#number(2, (part) => part.writeUInt16LE(value));
  }

  u32(value: number): this {
    return this.#number(4, (part) => part.writeUInt32LE(value));
  }

  /** `value` is a non-negative safe integer. */
  u64(value: number): this {
    return this.#number(8, (part) => part.writeBigUInt64LE(BigInt(value)));
  }

  /** @throws {FrameError} on a NUL, which no path, argument or variable can hold */
  string(value: string): this {
    if (value.includes('\0')) throw new FrameError('Failed to encode a string with a NUL in it');
    const bytes = Buffer.from(value);
    return this.u32(bytes.length).bytes(bytes);
  }

  list(values: readonly string[]): this {
    this.u32(values.length);
    for (const value of values) this.string(value);
    return this;
  }

  bytes(value: Uint8Array): this {
    this.#parts.push(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
    return this;
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts);
  }

  #number(size: number, write: (part: Buffer) => void): this {
    const part = Buffer.alloc(size);
    write(part);
    this.#parts.push(part);
    return this;
  }
}

/** Reads a payload. Every method throws {@link FrameError} when it ends too early. */
export class PayloadReader {
  readonly #payload: Buffer;
  #at = 0;

  constructor(payload: Buffer) {
    this.#payload = payload;
  }

  u8(): number {
    return this.#take(1).readUInt8();
  }

  u16(): number {
    return this.#take(2).readUInt16LE();
  }

  u32(): number {
    return this.#take(4).readUInt32LE();
  }

  /** @throws {FrameError} beyond 2^53 */
  u64(): number {
    const value = Number(this.#take(8).readBigUInt64LE());
    if (!Number.isSafeInteger(value)) throw new FrameError(`Failed to read the number ${value}`);
    return value;
  }

  string(): string {
    return this.#take(this.u32()).toString();
  }

  /** All that is left, as u64 numbers. @throws {FrameError} when it is not whole ones */
  u64s(): number[] {
    const count = (this.#payload.length - this.#at) / 8;
    if (!Number.isInteger(count)) throw new FrameError('Failed to read a payload: it is cut off');
    return Array.from({ length: count }, () => this.u64());
  }

  rest(): Buffer {
    return this.#take(this.#payload.length - this.#at);
  }

  #take(size: number): Buffer {
    const end = this.#at + size;
    if (end > this.#payload.length) throw new FrameError('Failed to read a payload: it is cut off');
    const part = this.#payload.subarray(this.#at, end);
    this.#at = end;
    return part;
  }
}
