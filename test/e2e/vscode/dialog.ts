import type { Locator, Page } from 'playwright-core';
import { exactly } from './match.ts';
import { patienceMs } from './wait.ts';

export interface DialogText {
  readonly message: string;
  readonly detail: string;
  readonly buttons: readonly string[];
}

/** The modal dialog, of which VS Code shows one at a time. */
export class Dialog {
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  /** Waits for a dialog that shows this text somewhere, and reads it. */
  async waitFor(text: string | RegExp, timeoutMs = patienceMs): Promise<DialogText> {
    const box = this.#box.filter({ hasText: text });
    await box.waitFor({ timeout: timeoutMs });
    const detail = box.locator('.dialog-message-detail');
    return {
      message: await box.locator('.dialog-message-text').innerText(),
      detail: (await detail.count()) === 0 ? '' : await detail.innerText(),
      buttons: await box.locator('.dialog-buttons .monaco-button').allInnerTexts(),
    };
  }

  isOpen(): Promise<boolean> {
    return this.#box.isVisible();
  }

  /** Presses a button and waits until the dialog is gone. */
  async press(button: string): Promise<void> {
    await this.#box
      .locator('.dialog-buttons .monaco-button', { hasText: exactly(button) })
      .click({ timeout: patienceMs });
    await this.#box.waitFor({ state: 'detached', timeout: patienceMs });
  }

  /** Presses Escape and waits until the dialog is gone. */
  async cancel(): Promise<void> {
    await this.#page.keyboard.press('Escape');
    await this.#box.waitFor({ state: 'detached', timeout: patienceMs });
  }

  get #box(): Locator {
    return this.#page.locator('.monaco-dialog-box');
  }
}
