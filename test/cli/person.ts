import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { spawn, type IPty } from 'node-pty';
import { flickFile, type Flick } from './flick.ts';

/** A person at a terminal who runs `flick`. */
export class Person {
  text = '';
  exit: { readonly exitCode: number; readonly signal?: number | undefined } | undefined;
  readonly terminal: IPty;

  constructor(flick: Flick, args: readonly string[]) {
    this.terminal = spawn(process.execPath, [flickFile, ...args], {
      cols: 97,
      rows: 31,
      env: flick.environment,
      cwd: '/',
    });
    this.terminal.onData((data) => (this.text += data));
    this.terminal.onExit((exit) => (this.exit = exit));
  }

  async sees(pattern: RegExp): Promise<void> {
    for (let i = 0; i < 1_600; i += 1) {
      if (pattern.test(this.text)) return;
      await delay(25);
    }
    assert.fail(`${String(pattern)} did not appear in ${JSON.stringify(this.text)}`);
  }

  async ends(): Promise<number> {
    for (let i = 0; i < 1_600; i += 1) {
      if (this.exit !== undefined) return this.exit.exitCode;
      await delay(25);
    }
    this.terminal.kill('SIGKILL');
    return assert.fail(`flick did not end; it had shown ${JSON.stringify(this.text)}`);
  }
}
