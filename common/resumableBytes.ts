/**
 * Frames on a link of a resumable stream: `u8 kind, u48 position, u32 length, payload`, big-endian. Positions count the
 * bytes of one direction from its beginning.
 */
export const frameKinds = {
  /** First on every link. `position`: bytes received so far; payload: the name of the stream. */
  greeting: 0,
  /** `position`: of the payload's first byte. */
  data: 1,
  /** `position`: bytes that the reader has taken. Sent at times although nothing changed, as a sign of life. */
  taken: 2,
  /** `position`: the length of the whole direction. Said again on every link until it is answered. */
  end: 3,
  endTaken: 4,
  /** The sender will never come back. */
  farewell: 5,
} as const;
export type FrameKind = (typeof frameKinds)[keyof typeof frameKinds];

export interface LinkFrame {
  readonly kind: FrameKind;
  readonly position: number;
  readonly payload: Buffer;
}

const headerBytes = 11;
/** Most bytes of data in one frame: small enough for a heartbeat to fit in between on a slow link. */
const maxData = 1 << 16;
const maxGreeting = 256;
const magic = 'flick stream 1\n';
const nothing = Buffer.alloc(0);

export function encodeFrame(kind: FrameKind, position: number, payload: Buffer = nothing): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt8(kind, 0);
  header.writeUIntBE(position, 1, 6);
  header.writeUInt32BE(payload.length, 7);
  return payload.length === 0 ? header : Buffer.concat([header, payload]);
}

/** Takes what arrives on one link apart. Data is handed on in pieces as it comes, so that a cut loses none of it. */
export class LinkFrameParser {
  readonly #header = Buffer.alloc(headerBytes);
  #headerFilled = 0;
  #payload: Buffer[] = [];
  #missing = 0;
  #greeted = false;

  /** @throws when this is no link of a resumable stream; nothing that follows is of use then */
  *push(chunk: Buffer): Generator<LinkFrame, void> {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#headerFilled < headerBytes) {
        const part = rest.subarray(0, headerBytes - this.#headerFilled);
        part.copy(this.#header, this.#headerFilled);
        this.#headerFilled += part.length;
        rest = rest.subarray(part.length);
        if (this.#headerFilled < headerBytes) return;
        this.#missing = this.#payloadLength();
        if (this.#missing === 0) yield this.#complete(nothing);
        continue;
      }
      const part = rest.subarray(0, this.#missing);
      rest = rest.subarray(part.length);
      this.#missing -= part.length;
      if (this.#header.readUInt8(0) === frameKinds.data) {
        const position = this.#header.readUIntBE(1, 6);
        this.#header.writeUIntBE(position + part.length, 1, 6);
        if (this.#missing === 0) this.#headerFilled = 0;
        yield { kind: frameKinds.data, position, payload: part };
        continue;
      }
      this.#payload.push(part);
      if (this.#missing === 0) yield this.#complete(Buffer.concat(this.#payload));
    }
  }

  #payloadLength(): number {
    const kind = this.#header.readUInt8(0);
    const length = this.#header.readUInt32BE(7);
    if (this.#greeted !== (kind !== frameKinds.greeting) || kind > frameKinds.farewell) {
      throw new Error('The link does not speak as a handoff does.');
    }
    this.#greeted = true;
    const most = { [frameKinds.greeting]: maxGreeting, [frameKinds.data]: maxData }[kind] ?? 0;
    if (length > most) throw new Error('A frame on the link is too large.');
    return length;
  }

  #complete(payload: Buffer): LinkFrame {
    this.#headerFilled = 0;
    this.#payload = [];
    const kind = this.#header.readUInt8(0) as FrameKind;
    return { kind, position: this.#header.readUIntBE(1, 6), payload };
  }
}

/**
 * One end of a two-way stream of bytes that outlives its links: each byte is delivered exactly once and in order, however
 * often the link is cut, wherever. Pure: who owns the links writes what {@link next} gives and hands in what arrives.
 */
export class ResumableBytes {
  readonly #name: Buffer;
  readonly #window: number;
  /** What the other end has not confirmed, oldest first, each piece with its position. */
  #kept: { readonly start: number; readonly data: Buffer }[] = [];
  #written = 0;
  #confirmed = 0;
  /** Position of the next byte for the link in use. */
  #next = 0;
  #ended = false;
  #endSaid = false;
  #endConfirmed = false;
  #received = 0;
  #taken = 0;
  #peerEnded = false;

  /**
   * @param name both ends must have the same
   * @param window most bytes that are kept for the other end, and most that it may send ahead of our reader
   */
  constructor(name: string, window: number) {
    this.#name = Buffer.from(`${magic}${name}`, 'utf8');
    this.#window = window;
  }

  /** True while the writer may go on. */
  get hasRoom(): boolean {
    return this.unconfirmed < this.#window;
  }

  /** Bytes that the other end's reader has not confirmed to have taken. */
  get unconfirmed(): number {
    return this.#written - this.#confirmed;
  }

  get isEndConfirmed(): boolean {
    return this.#endConfirmed;
  }

  /** The other end has ended its direction, and all of it has arrived. */
  get hasPeerEnded(): boolean {
    return this.#peerEnded;
  }

  /** Bytes that the reader has taken, to be told with a `taken` frame. */
  get taken(): number {
    return this.#taken;
  }

  /** The bytes must not change afterwards. */
  append(data: Buffer): void {
    if (this.#ended) throw new Error('The stream has been ended.');
    if (data.length === 0) return;
    this.#kept.push({ start: this.#written, data });
    this.#written += data.length;
  }

  end(): void {
    this.#ended = true;
  }

  /** The reader took so many of the bytes that {@link receive} gave. */
  take(count: number): void {
    this.#taken += count;
  }

  /** What to send first on a link. */
  greeting(): Buffer {
    return encodeFrame(frameKinds.greeting, this.#received, this.#name);
  }

  /** Takes the other end's greeting: from here on the link is the one in use. @throws when it is meant for another stream */
  begin(greeting: LinkFrame): void {
    if (!greeting.payload.equals(this.#name)) {
      throw new Error('The link belongs to another handoff.');
    }
    if (greeting.position > this.#written) {
      throw new Error('The link continues something that was never said.');
    }
    this.#next = Math.max(this.#confirmed, greeting.position);
    this.#endSaid = false;
  }

  /** The next frame for the link in use; undefined when there is nothing to say, or the other end is to confirm first. */
  next(): Buffer | undefined {
    const limit = Math.min(this.#written, this.#confirmed + this.#window);
    if (this.#next < limit) {
      const { start, data } = this.#keptAt(this.#next);
      const from = this.#next - start;
      const piece = data.subarray(from, Math.min(from + maxData, from + limit - this.#next));
      const frame = encodeFrame(frameKinds.data, this.#next, piece);
      this.#next += piece.length;
      return frame;
    }
    if (!this.#ended || this.#endSaid || this.#endConfirmed || this.#next < this.#written) {
      return undefined;
    }
    this.#endSaid = true;
    return encodeFrame(frameKinds.end, this.#written);
  }

  /**
   * Takes a frame of the link in use, other than a greeting.
   * @returns data that has not been seen before
   * @throws when it cannot be right; the link is of no use then
   */
  receive({ kind, position, payload }: LinkFrame): Buffer | undefined {
    switch (kind) {
      case frameKinds.data:
        return this.#fresh(position, payload);
      case frameKinds.taken:
        this.#confirm(position);
        return undefined;
      case frameKinds.end:
        if (position !== this.#received) throw new Error('The link ends in another place.');
        this.#peerEnded = true;
        return undefined;
      case frameKinds.endTaken:
        if (!this.#ended || position !== this.#written) {
          throw new Error('The link confirms an end that was never said.');
        }
        this.#confirm(position);
        this.#endConfirmed = true;
        return undefined;
      case frameKinds.greeting:
      case frameKinds.farewell:
        return undefined;
    }
  }

  #fresh(position: number, payload: Buffer): Buffer | undefined {
    if (position > this.#received) throw new Error('The link leaves something out.');
    const fresh = payload.subarray(this.#received - position);
    if (fresh.length === 0) return undefined;
    if (this.#peerEnded) throw new Error('The link goes on after its end.');
    if (this.#received + fresh.length - this.#taken > this.#window) {
      throw new Error('The link carries more than was asked for.');
    }
    this.#received += fresh.length;
    return fresh;
  }

  #confirm(position: number): void {
    if (position > this.#written) throw new Error('The link confirms what was never said.');
    if (position <= this.#confirmed) return;
    this.#confirmed = position;
    this.#next = Math.max(this.#next, position);
    const gone = this.#kept.findIndex(({ start, data }) => start + data.length > position);
    this.#kept.splice(0, gone === -1 ? this.#kept.length : gone);
  }

  #keptAt(position: number): { readonly start: number; readonly data: Buffer } {
    let low = 0;
    let high = this.#kept.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#kept[middle]?.start ?? 0) <= position) low = middle;
      else high = middle - 1;
    }
    const found = this.#kept[low];
    if (found === undefined) throw new Error('Nothing is kept of what was to be sent.');
    return found;
  }
}
