/** Characters that mean something to a POSIX shell outside of quotes (POSIX.1-2024, XCU 2.2). */
const shellSyntax = /[|&;<>()$`*?[\]#~=!{}\n]/;

/**
 * Turns a typed command line into an argument array: plain words, quotes and backslashes are split here, so that the
 * program itself is the process; anything that needs a shell (pipes, variables, globs…) goes to `/bin/sh -c`.
 * @returns undefined when nothing was typed or a quote is left open.
 */
export function parseCommandLine(line: string): string[] | undefined {
  const trimmed = line.trim();
  if (trimmed === '') return undefined;
  const words: string[] = [];
  let word: string | undefined;
  let needsShell = false;
  for (let i = 0; i < trimmed.length; i += 1) {
    const char = trimmed.charAt(i);
    if (char === "'" || char === '"') {
      const end = closingQuote(trimmed, i);
      if (end === undefined) return undefined;
      const quoted = trimmed.slice(i + 1, end);
      if (char === '"' && /[$`]/.test(quoted)) needsShell = true;
      word = (word ?? '') + (char === '"' ? quoted.replace(/\\(["\\$`])/g, '$1') : quoted);
      i = end;
    } else if (char === '\\') {
      i += 1;
      word = (word ?? '') + trimmed.charAt(i);
    } else if (/\s/.test(char)) {
      if (char === '\n') needsShell = true;
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      // `--flag=value` is a plain word; `NAME=value` in front is an assignment, which only a shell makes.
      const plainEquals = char === '=' && (words.length > 0 || (word ?? '').startsWith('-'));
      if (shellSyntax.test(char) && !plainEquals) needsShell = true;
      word = (word ?? '') + char;
    }
  }
  if (word !== undefined) words.push(word);
  if (needsShell) return ['/bin/sh', '-c', trimmed];
  return words.length === 0 || words[0] === '' ? undefined : words;
}

function closingQuote(line: string, start: number): number | undefined {
  const quote = line.charAt(start);
  for (let i = start + 1; i < line.length; i += 1) {
    if (line.charAt(i) === '\\' && quote === '"') i += 1;
    else if (line.charAt(i) === quote) return i;
  }
  return undefined;
}

/** The command line as a person would type it. */
export function joinCommandLine(command: readonly string[]): string {
  const [first, second, third] = command;
  if (command.length === 3 && first === '/bin/sh' && second === '-c') return third ?? '';
  return command
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(' ');
}
