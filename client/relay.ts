import { Transform, type Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Disposable } from '../common/disposable.ts';

/** Two streams joined into one, as long as both live. */
export interface Relay extends Disposable {
  /** Bytes that have gone from the first stream to the second. */
  readonly forwardBytes: number;
  readonly backwardBytes: number;
  /** Resolves when both directions have ended or broken; never rejects: the agents at the ends know best what it means. */
  readonly done: Promise<void>;
}

/** Joins two streams in both directions. A slow reader slows the writer of its direction down, nothing piles up here. */
export function relay(first: Duplex, second: Duplex): Relay {
  const forward = counter();
  const backward = counter();
  const done = Promise.allSettled([
    pipeline(first, forward.stream, second),
    pipeline(second, backward.stream, first),
  ]).then(() => {
    first.destroy();
    second.destroy();
  });
  return {
    get forwardBytes() {
      return forward.bytes();
    },
    get backwardBytes() {
      return backward.bytes();
    },
    done,
    dispose() {
      first.destroy();
      second.destroy();
    },
  };
}

function counter(): { readonly stream: Transform; readonly bytes: () => number } {
  let bytes = 0;
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      bytes += chunk.length;
      callback(null, chunk);
    },
  });
  return { stream, bytes: () => bytes };
}
