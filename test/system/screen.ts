import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { Terminal } from '@xterm/headless';
import { spawn, type IPty } from 'node-pty';

const size = { cols: 80, rows: 24 };

/** A person at a terminal: what stands on the screen, and a keyboard. */
export class Screen {
  /** Everything that was shown, with the terminal's control sequences. */
  text = '';
  readonly #terminal = new Terminal({ ...size, allowProposedApi: true });
  readonly #pty: IPty;
  #exitCode: number | undefined;

  constructor(argv: readonly [string, ...string[]], env: NodeJS.ProcessEnv) {
    const [command, ...args] = argv;
    this.#pty = spawn(command, args, { ...size, name: 'xterm-256color', env, cwd: '/' });
    this.#pty.onData((data) => {
      this.text += data;
      this.#terminal.write(data);
    });
    this.#pty.onExit(({ exitCode }) => (this.#exitCode = exitCode));
    // A program may ask its terminal what it can do, and wait for the answer.
    this.#terminal.onData((answer) => this.#pty.write(answer));
  }

  /** The lines of the screen, without trailing blanks. */
  get lines(): string[] {
    const { active } = this.#terminal.buffer;
    return Array.from({ length: size.rows }, (_, row) =>
      (active.getLine(active.viewportY + row)?.translateToString(true) ?? '').trimEnd(),
    );
  }

  type(keys: string): void {
    this.#pty.write(keys);
  }

  async shows(pattern: RegExp): Promise<void> {
    await this.#until(
      () => pattern.test(this.lines.join('\n')),
      () => `${String(pattern)} is not on the screen:\n${this.lines.join('\n')}`,
    );
  }

  /** Waits for its end. @returns its exit status */
  async ends(): Promise<number> {
    await this.#until(
      () => this.#exitCode !== undefined,
      () => `it did not end:\n${this.lines.join('\n')}`,
    );
    return this.#exitCode ?? -1;
  }

  close(): void {
    if (this.#exitCode === undefined) this.#pty.kill('SIGKILL');
    this.#terminal.dispose();
  }

  async #until(holds: () => boolean, otherwise: () => string): Promise<void> {
    const deadline = performance.now() + 10_000;
    while (!holds()) {
      if (performance.now() > deadline) assert.fail(otherwise());
      await delay(25);
    }
  }
}
