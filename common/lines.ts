import type { Readable } from 'node:stream';

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
