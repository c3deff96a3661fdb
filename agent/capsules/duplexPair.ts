import { Duplex, PassThrough } from 'node:stream';

/** The two ends of a stream inside this process; each has the back-pressure of the other. */
export function duplexPair(): readonly [Duplex, Duplex] {
  const there = new PassThrough();
  const back = new PassThrough();
  return [
    Duplex.from({ readable: back, writable: there }),
    Duplex.from({ readable: there, writable: back }),
  ];
}
