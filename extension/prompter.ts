import { basename } from 'node:path';
import * as vscode from 'vscode';
import type { HostKeyQuestion, Prompter } from '../client/prompter.ts';
import { l10n } from './l10n.ts';
import { settings } from './settings.ts';

/** Asks the person what a connection needs to know, one question at a time. */
export class PersonPrompter implements Prompter {
  readonly #secrets: vscode.SecretStorage;
  /** Passphrases of this session, so that a reconnection asks nothing. */
  readonly #known = new Map<string, string>();
  /** At which attempt a known passphrase was last given; asked again beyond it, it was wrong. */
  readonly #givenAt = new Map<string, number>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(secrets: vscode.SecretStorage) {
    this.#secrets = secrets;
  }

  async passphrase(keyFile: string, attempt: number): Promise<string | undefined> {
    return this.#inTurn(async () => {
      const givenAt = this.#givenAt.get(keyFile);
      const known = this.#known.get(keyFile) ?? (await this.#secrets.get(secretName(keyFile)));
      const isWrong = givenAt !== undefined && attempt > givenAt;
      if (known !== undefined && !isWrong) {
        this.#givenAt.set(keyFile, attempt);
        return known;
      }
      if (isWrong) await this.#forget(keyFile);
      const typed = await vscode.window.showInputBox({
        title: l10n.t('Passphrase of {0}', basename(keyFile)),
        prompt: isWrong
          ? l10n.t('That was not the passphrase of {0}. Try again.', keyFile)
          : l10n.t('The key {0} is protected.', keyFile),
        password: true,
        ignoreFocusOut: true,
      });
      if (typed === undefined) return undefined;
      this.#known.set(keyFile, typed);
      this.#givenAt.set(keyFile, attempt);
      if (settings.rememberPassphrases) void this.#offerToKeep(keyFile, typed);
      return typed;
    });
  }

  async confirmHostKey({ host, keyType, fingerprint }: HostKeyQuestion): Promise<boolean> {
    return this.#inTurn(async () => {
      const trust = l10n.t('Trust and Connect');
      const chosen = await vscode.window.showWarningMessage(
        l10n.t('{0} is not known yet. Is this its key?', host),
        {
          modal: true,
          detail: l10n.t(
            '{0} {1}\n\nCompare it with the fingerprint that the device itself shows (ssh-keygen -lf). It is remembered, and a change is refused.',
            keyType,
            fingerprint,
          ),
        },
        trust,
      );
      return chosen === trust;
    });
  }

  /** Two devices that connect at once must not ask over each other. */
  async #inTurn<T>(ask: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(ask);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #forget(keyFile: string): Promise<void> {
    this.#known.delete(keyFile);
    this.#givenAt.delete(keyFile);
    await this.#secrets.delete(secretName(keyFile));
  }

  async #offerToKeep(keyFile: string, passphrase: string): Promise<void> {
    const keep = l10n.t('Keep');
    const chosen = await vscode.window.showInformationMessage(
      l10n.t('Keep the passphrase of {0} in VS Code’s secret storage?', basename(keyFile)),
      keep,
      l10n.t('Not Now'),
    );
    // One that has turned out wrong in the meantime is not kept.
    if (chosen !== keep || this.#known.get(keyFile) !== passphrase) return;
    await this.#secrets.store(secretName(keyFile), passphrase);
  }
}

function secretName(keyFile: string): string {
  return `flick.passphrase:${keyFile}`;
}
