import type { Locator, Page } from 'playwright-core';
import { exactly } from './match.ts';
import { patienceMs, sleep, waitFor } from './wait.ts';

/** The quick pick, the input box and the command palette: one widget at the top of the window. */
export class QuickInput {
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  /** Waits for the widget, with a title or prompt where one is given. */
  async waitFor(text?: string | RegExp, timeoutMs = patienceMs): Promise<void> {
    const wanted = text === undefined ? this.#widget : this.#widget.filter({ hasText: text });
    await wanted.waitFor({ timeout: timeoutMs });
  }

  async waitUntilGone(): Promise<void> {
    await this.#widget.waitFor({ state: 'hidden', timeout: patienceMs });
  }

  /** The labels of the entries on the screen. */
  items(): Promise<string[]> {
    return this.#rows.locator('.quick-input-list-label .label-name').allInnerTexts();
  }

  /** Waits for an entry that contains the text and picks it with the mouse. */
  async pick(label: string | RegExp): Promise<void> {
    await this.#rows.filter({ hasText: label }).first().click({ timeout: patienceMs });
  }

  /** Ticks entries of a pick that takes several, and accepts. */
  async pickMany(labels: readonly string[]): Promise<void> {
    for (const label of labels) {
      await this.#rows
        .filter({ hasText: label })
        .first()
        .locator('.monaco-checkbox, input')
        .click();
    }
    await this.accept();
  }

  /** Fills in the input box and accepts it. */
  async fill(text: string): Promise<void> {
    await this.type(text);
    await this.accept();
  }

  /** Fills in the input box and leaves it open. */
  async type(text: string): Promise<void> {
    await this.#input.fill(text, { timeout: patienceMs });
  }

  /** What the box says below its input: the prompt, or what is wrong with the input. */
  message(): Promise<string> {
    return this.#widget.locator('.quick-input-message').innerText();
  }

  async accept(): Promise<void> {
    await this.#input.press('Enter', { timeout: patienceMs });
  }

  async cancel(): Promise<void> {
    await this.#page.keyboard.press('Escape');
    await this.waitUntilGone();
  }

  /** Runs a command from the palette by its whole title, such as `Flick: Add Device…`. */
  async runCommand(title: string): Promise<void> {
    const entry = this.#rows.filter({
      has: this.#page.locator('.label-name', { hasText: exactly(title) }),
    });
    await waitFor(`the command “${title}” in the palette`, async () => {
      // The palette closes when something takes the focus, so it is opened again until the entry is there.
      if (!(await this.#widget.isVisible())) await this.#page.keyboard.press('F1');
      await this.#input.fill(`>${title}`, { timeout: 2000 });
      await sleep(150);
      await entry.first().click({ timeout: 2000 });
      return true;
    });
  }

  get #widget(): Locator {
    return this.#page.locator('.quick-input-widget:visible');
  }

  get #input(): Locator {
    return this.#widget.locator('.quick-input-box input');
  }

  get #rows(): Locator {
    return this.#widget.locator('.quick-input-list .monaco-list-row');
  }
}
