import type { HostKeyQuestion, Prompter } from '../client/prompter.ts';
import { FlickError } from '../protocol/index.ts';
import type { Output } from './output.ts';
import { askHidden, askYesNo } from './terminalQuestions.ts';
import { escapeControl } from './text.ts';

/** Asks on the terminal that the program was started from. */
export class TtyPrompter implements Prompter {
  readonly #output: Output;
  /** Several devices may connect at once: one question at a time. */
  #asking: Promise<unknown> = Promise.resolve();

  constructor(output: Output) {
    this.#output = output;
  }

  async passphrase(keyFile: string, attempt: number): Promise<string | undefined> {
    return this.#next(async () => {
      const again = attempt > 1 ? 'That was not it. ' : '';
      const answer = await askHidden(`${again}Passphrase for ${escapeControl(keyFile)}: `);
      if (answer !== undefined) return answer ?? undefined;
      throw new FlickError('permission', `The key ${keyFile} needs its passphrase.`, {
        remedy: 'There is no terminal to ask on: add the key to your SSH agent (ssh-add) first.',
      });
    });
  }

  async confirmHostKey(question: HostKeyQuestion): Promise<boolean> {
    return this.#next(async () => {
      const { host, keyType, fingerprint } = question;
      const answer = await askYesNo('Is that the right device?', [
        `${escapeControl(host)} is not known yet. Its ${escapeControl(keyType)} key has the fingerprint`,
        `  ${escapeControl(fingerprint)}`,
      ]);
      if (answer !== undefined) return answer;
      throw new FlickError('permission', `The host key of ${host} is not known: ${fingerprint}`, {
        remedy:
          'There is no terminal to ask on: compare the fingerprint and connect once with ssh, or run flick doctor on a terminal.',
      });
    });
  }

  async #next<T>(ask: () => Promise<T>): Promise<T> {
    const turn = this.#asking.then(async () => {
      const release = this.#output.hold();
      return ask().finally(release);
    });
    this.#asking = turn.catch(() => undefined);
    return turn;
  }
}
