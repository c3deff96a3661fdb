import { openSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { ReadStream, WriteStream } from 'node:tty';

interface Terminal {
  readonly input: ReadStream;
  readonly output: WriteStream;
  close(): void;
}

/**
 * The terminal that the program was started from, also when standard input and output lead elsewhere (tty(4)).
 * @returns undefined when there is none
 */
function openTerminal(): Terminal | undefined {
  try {
    const input = new ReadStream(openSync('/dev/tty', 'r'));
    const output = new WriteStream(openSync('/dev/tty', 'w'));
    return {
      input,
      output,
      close() {
        input.destroy();
        output.destroy();
      },
    };
  } catch {
    return undefined;
  }
}

/**
 * @param before lines to read before the question
 * @returns undefined when there is no terminal to ask on
 */
export async function askYesNo(
  question: string,
  before: readonly string[] = [],
): Promise<boolean | undefined> {
  const terminal = openTerminal();
  if (terminal === undefined) return undefined;
  for (const line of before) terminal.output.write(`${line}\n`);
  const lines = createInterface({ input: terminal.input, output: terminal.output });
  const stop = new AbortController();
  lines.on('SIGINT', () => stop.abort());
  lines.on('close', () => stop.abort());
  try {
    for (;;) {
      const answer = (await lines.question(`${question} [yes/no] `, { signal: stop.signal }))
        .trim()
        .toLowerCase();
      if (answer === 'yes' || answer === 'y') return true;
      if (answer === 'no' || answer === 'n' || answer === '') return false;
    }
  } catch {
    terminal.output.write('\n');
    return false;
  } finally {
    lines.close();
    terminal.close();
  }
}

/**
 * Asks for something that must not be seen.
 * @returns undefined when there is no terminal to ask on, null when the person gave up (Ctrl-C, Ctrl-D)
 */
export async function askHidden(question: string): Promise<string | null | undefined> {
  const terminal = openTerminal();
  if (terminal === undefined) return undefined;
  const { input, output } = terminal;
  output.write(question);
  input.setRawMode(true);
  try {
    return await new Promise<string | null>((resolve) => {
      let typed = '';
      input.setEncoding('utf8');
      input.on('close', () => resolve(null));
      input.on('data', (text: string) => {
        for (const character of text) {
          if (character === '\r' || character === '\n') resolve(typed);
          else if (character === '\u0003' || character === '\u0004') resolve(null);
          else if (character === '\u007f' || character === '\b') typed = typed.slice(0, -1);
          else typed += character;
        }
      });
    });
  } finally {
    input.setRawMode(false);
    output.write('\n');
    terminal.close();
  }
}
