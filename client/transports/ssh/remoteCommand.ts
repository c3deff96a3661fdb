/** Stands before the output of every command, with the command's PID: what rc files print comes before it. */
export const outputMark = 'FLICK-OUTPUT-BEGINS';

/**
 * Reads `$1` as the shell script that it encodes, and runs it. `printf %b` decodes `\0ooo`; the backslashes are sent as
 * `%` and made here, since shells disagree on a backslash between single quotes.
 */
const decoder = 'eval "$(printf %b "$(printf %s "$1" | tr % "\\134")")"';

/**
 * The command line that runs a POSIX shell script on a device, whatever the login shell there is. Shells (sh, bash, zsh,
 * fish, csh) read only letters, digits and a few harmless signs between single quotes alike, not newlines, quotes,
 * backslashes or `!`; so everything else is encoded. Linux limits the result to 128 KiB (execve(2), MAX_ARG_STRLEN).
 * @param words the script's `$1`, `$2`, …
 */
export function remoteCommand(script: string, words: readonly string[] = []): string {
  const whole = [
    `set -- ${words.map(quoted).join(' ')}`,
    `echo "${outputMark} $$"`,
    `echo "${outputMark} $$" >&2`,
    script,
  ].join('\n');
  return `sh -c '${decoder}' sh '${encoded(whole)}'`;
}

/** One word for a POSIX shell (XCU 2.2.2). */
function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

function encoded(script: string): string {
  let result = '';
  for (const byte of Buffer.from(script, 'utf8')) {
    const character = String.fromCharCode(byte);
    result += /[A-Za-z0-9_/.:=,-]/.test(character)
      ? character
      : `%0${byte.toString(8).padStart(3, '0')}`;
  }
  return result;
}
