import type { Locator, Page } from 'playwright-core';
import { exactly } from './match.ts';
import { patienceMs } from './wait.ts';

/** What VS Code shows in its lower right corner: messages, and progress with its steps. */
export class Notifications {
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  /**
   * Waits for a notification that shows this text, which may be part of it.
   * @returns all text of the message
   */
  async waitFor(text: string | RegExp, timeoutMs = patienceMs): Promise<string> {
    const toast = this.#toast(text);
    await toast.waitFor({ timeout: timeoutMs });
    return toast.locator('.notification-list-item-message').innerText();
  }

  async waitUntilGone(text: string | RegExp, timeoutMs = patienceMs): Promise<void> {
    await this.#toast(text).waitFor({ state: 'detached', timeout: timeoutMs });
  }

  /** The messages on the screen. */
  texts(): Promise<string[]> {
    return this.#page.locator('.notification-list-item-message').allInnerTexts();
  }

  /** The titles of a notification's buttons. */
  async buttons(text: string | RegExp): Promise<string[]> {
    await this.waitFor(text);
    return this.#toast(text).locator('.monaco-button').allInnerTexts();
  }

  /** Presses a button of a notification; the mouse goes there first, because toasts hide their buttons. */
  async press(text: string | RegExp, button: string): Promise<void> {
    const toast = this.#toast(text);
    await toast.hover({ timeout: patienceMs });
    await toast.locator('.monaco-button', { hasText: exactly(button) }).click();
  }

  #toast(text: string | RegExp): Locator {
    return this.#page.locator('.notification-toast', { hasText: text }).first();
  }
}
