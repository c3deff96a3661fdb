import { readProc } from './read.ts';

/** Longest command line that is shown to people, in UTF-16 code units. */
const maxShown = 4096;

/**
 * Arguments of a process. Empty for kernel threads and zombies; undefined when it is gone. A process may have written
 * anything over its arguments (setproctitle), so there may be one long "argument" with spaces.
 */
export async function readArguments(pid: number): Promise<readonly string[] | undefined> {
  const text = await readProc(`/proc/${pid}/cmdline`);
  return text === undefined ? undefined : splitArguments(text);
}

export function splitArguments(text: string): readonly string[] {
  // Titles written by setproctitle are padded with NULs up to the size of what was there before.
  const trimmed = text.replace(/\0+$/, '');
  return trimmed === '' ? [] : trimmed.split('\0');
}

/** Environment as the process was started with; undefined when it is gone or not ours to look into. */
export async function readEnvironment(
  pid: number,
): Promise<ReadonlyMap<string, string> | undefined> {
  const text = await readProc(`/proc/${pid}/environ`);
  if (text === undefined) return undefined;
  const environment = new Map<string, string>();
  for (const entry of text.split('\0')) {
    const equals = entry.indexOf('=');
    if (equals > 0) environment.set(entry.slice(0, equals), entry.slice(equals + 1));
  }
  return environment;
}

/** A command line on one line, for people. */
export function commandLine(args: readonly string[], comm: string): string {
  if (args.length === 0) return `[${printable(comm)}]`;
  const shown = printable(args.join(' ').slice(0, maxShown + 1));
  return shown.length > maxShown ? `${shown.slice(0, maxShown - 1)}…` : shown;
}

/**
 * Text of a stranger made fit for a sentence, a tree or a terminal: control characters, line separators and characters
 * that turn the reading direction are written as escapes (`\n`, `\x1b`, `\u202e`).
 */
export function printable(text: string): string {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (each) => {
      const code = each.charCodeAt(0);
      if (each === '\n') return '\\n';
      if (each === '\t') return '\\t';
      if (each === '\r') return '\\r';
      return code < 0x100
        ? `\\x${code.toString(16).padStart(2, '0')}`
        : `\\u${code.toString(16).padStart(4, '0')}`;
    },
  );
}
