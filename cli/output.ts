import type { Writable } from 'node:stream';
import type { WriteStream } from 'node:tty';

/** Standard output, or what stands in for it. */
export type OutputStream = Writable & Partial<Pick<WriteStream, 'isTTY' | 'columns' | 'rows'>>;

/**
 * What a command says. The result goes to standard output: one JSON document with `--json`, else text. Everything else
 * goes to standard error, where one line is updated in place when that is a terminal.
 */
export class Output {
  readonly json: boolean;
  readonly #stdout: OutputStream;
  readonly #stderr: OutputStream;
  #statusShown = false;
  #lastStatus = '';
  #broken = false;
  #held = 0;

  constructor(options: {
    readonly json: boolean;
    readonly stdout: OutputStream;
    readonly stderr: OutputStream;
  }) {
    this.json = options.json;
    this.#stdout = options.stdout;
    this.#stderr = options.stderr;
    // Whoever read the output may leave (`| head`): the work goes on, nothing more is said.
    for (const stream of [this.#stdout, this.#stderr]) {
      stream.on('error', () => {
        if (stream === this.#stdout) this.#broken = true;
      });
    }
  }

  get stdout(): OutputStream {
    return this.#stdout;
  }

  get stderr(): OutputStream {
    return this.#stderr;
  }

  /** True when nobody reads standard output any more. */
  get isBroken(): boolean {
    return this.#broken;
  }

  /** Says the result, once: `document` with `--json`, else `text`. */
  result(document: unknown, text: string): void {
    this.clearStatus();
    if (this.json) this.#stdout.write(`${JSON.stringify(document, undefined, 2)}\n`);
    else if (text !== '') this.#stdout.write(`${text}\n`);
  }

  /** A line beside the result. */
  note(text: string): void {
    this.clearStatus();
    this.#stderr.write(`${text}\n`);
  }

  /** What is going on now: replaces the last status on a terminal; elsewhere a line whenever it changes. */
  status(text: string, detail = ''): void {
    if (this.#held > 0) return;
    if (this.#stderr.isTTY === true) {
      const width = this.#stderr.columns ?? 80;
      const line = `${text}${detail}`.slice(0, Math.max(20, width - 1));
      this.#stderr.write(`\r\u001b[K${line}`);
      this.#statusShown = true;
    } else if (text !== this.#lastStatus) {
      this.#stderr.write(`${text}\n`);
    }
    this.#lastStatus = text;
  }

  /** Keeps the status line away while a person is asked something. @returns a function that ends this */
  hold(): () => void {
    this.clearStatus();
    this.#held += 1;
    return () => (this.#held -= 1);
  }

  clearStatus(): void {
    if (this.#statusShown) this.#stderr.write('\r\u001b[K');
    this.#statusShown = false;
  }

  /** Writes raw bytes of a program. Resolves when more may be written, or when nobody reads any more. */
  async raw(bytes: Buffer, stream: OutputStream = this.#stdout): Promise<void> {
    if (this.#broken || stream.write(bytes)) return;
    await new Promise<void>((resolve) => {
      const settle = (): void => {
        stream.off('drain', settle);
        stream.off('error', settle);
        stream.off('close', settle);
        resolve();
      };
      stream.on('drain', settle);
      stream.on('error', settle);
      stream.on('close', settle);
    });
  }
}
