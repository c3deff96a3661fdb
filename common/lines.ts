import type { Duplex, Readable } from 'node:stream';

/** Longest line of a greeting, in bytes: a stranger cannot make either end hold more than this. */
const maxLine = 16_384;

/**
 * Reads one line and leaves the stream paused at the byte after it.
 * @throws when the stream ends first, the line is too long, or `timeoutMs` passes.
 */
export async function readLine(stream: Duplex, timeoutMs = 20_000): Promise<string> {
  let received = Buffer.alloc(0);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => finish(new Error('The other end did not answer in time.')),
      timeoutMs,
    );
    const finish = (result: Error | string): void => {
      clearTimeout(timer);
      stream.off('readable', onReadable);
      stream.off('end', onEnd);
      stream.off('error', finish);
      stream.off('close', onEnd);
      if (typeof result === 'string') resolve(result);
      else reject(result);
    };
    const onEnd = (): void => finish(new Error('The other end closed the connection.'));
    const onReadable = (): void => {
      for (;;) {
        const chunk: unknown = stream.read();
        if (!Buffer.isBuffer(chunk)) return;
        received = Buffer.concat([received, chunk]);
        const end = received.indexOf(0x0a);
        if (end < 0 && received.length <= maxLine) continue;
        if (end < 0 || end > maxLine) {
          finish(new Error('The other end sent a line that is too long.'));
          return;
        }
        stream.off('readable', onReadable);
        const rest = received.subarray(end + 1);
        if (rest.length > 0) stream.unshift(rest);
        finish(received.subarray(0, end).toString('utf8'));
        return;
      }
    };
    stream.on('readable', onReadable);
    stream.on('end', onEnd);
    stream.on('close', onEnd);
    stream.on('error', finish);
    onReadable();
  });
}

export function writeLine(stream: Duplex, value: unknown): void {
  stream.write(`${JSON.stringify(value)}\n`);
}

/**
 * Splits what a stream brings into lines. The stream is ended when a line is longer than `limit` bytes.
 * @param onLine takes each line without its line break; when it throws, the stream is destroyed with the error
 */
export function readLines(
  stream: Readable,
  options: { readonly limit: number; readonly onLine: (line: string) => void },
): void {
  let pieces: Buffer[] = [];
  let length = 0;
  const take = (piece: Buffer): void => {
    pieces.push(piece);
    length += piece.length;
    if (length > options.limit) throw new Error(`A line is longer than ${options.limit} bytes.`);
  };
  stream.on('data', (chunk: Buffer) => {
    try {
      let rest = chunk;
      for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a)) {
        take(rest.subarray(0, end));
        const line = Buffer.concat(pieces).toString('utf8');
        pieces = [];
        length = 0;
        rest = rest.subarray(end + 1);
        options.onLine(line);
        if (stream.destroyed) return;
      }
      if (rest.length > 0) take(rest);
    } catch (error) {
      stream.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  });
  // A greeting that was read before leaves the stream paused.
  stream.resume();
}
