import * as v from 'valibot';

/** Version of the wire contract. Peers with another one do not talk; a client that is ahead upgrades the agent. */
export const protocolVersion = 1;

/** Longest text that any single field of a message may hold, in UTF-16 code units. */
export const maxText = 1 << 20;

export const text = v.pipe(v.string(), v.maxLength(maxText));
/** A name that people type: shown in trees and on terminals, so no control characters. */
export const name = v.pipe(
  v.string(),
  v.minLength(1, 'A name must not be empty.'),
  v.maxLength(200, 'A name must not be longer than 200 characters.'),
  v.regex(
    /^[^\u0000-\u001f\u007f]+$/,
    'A name must not contain line breaks or control characters.',
  ),
);
export const processId = v.pipe(v.string(), v.regex(/^p-[0-9a-z]{10}$/));
export const handoffId = v.pipe(v.string(), v.regex(/^h-[0-9a-z]{16}$/));
export const capsuleId = v.pipe(v.string(), v.regex(/^c-[0-9a-z]{10}$/));
export const ticket = v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/));
/** A process id of the operating system, as the device's own PID namespace sees it. */
export const pid = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(4_194_304));
export const port = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535));
/** A size or offset in bytes. */
export const bytes = v.pipe(v.number(), v.integer(), v.minValue(0));
/** A point in time, ms since 1970 by the wall clock. */
export const time = v.pipe(v.number(), v.minValue(0));
/** A duration in ms. */
export const milliseconds = v.pipe(v.number(), v.minValue(0));
export const absolutePath = v.pipe(
  v.string(),
  v.maxLength(4096),
  v.startsWith('/', 'The path must be absolute.'),
  v.check((path) => !path.includes('\0'), 'The path must not contain a NUL byte.'),
);
export const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
/** Terminal size in character cells. */
export const terminalSize = v.object({
  columns: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535)),
  rows: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535)),
});
export type TerminalSize = v.InferOutput<typeof terminalSize>;
