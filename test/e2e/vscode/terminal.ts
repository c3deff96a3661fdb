import type { Locator, Page } from 'playwright-core';
import { patienceMs, waitFor } from './wait.ts';

/** The terminal in front in the panel, or in the editor area. */
export class Terminal {
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  /** The lines on the screen, without the blanks at their ends and the empty lines below. */
  async text(): Promise<string> {
    const lines = await this.#screen.locator('.xterm-rows > div').allTextContents();
    return lines
      .map((line) => line.replaceAll('\u00a0', ' ').trimEnd())
      .join('\n')
      .trimEnd();
  }

  /** Waits until the screen shows the text; gives the whole screen. */
  async waitFor(text: string | RegExp, timeoutMs = patienceMs): Promise<string> {
    let last = '';
    try {
      return await waitFor(
        `${String(text)} in the terminal`,
        async () => {
          last = await this.text();
          const found = typeof text === 'string' ? last.includes(text) : text.test(last);
          return found ? last : undefined;
        },
        timeoutMs,
      );
    } catch (error) {
      throw new Error(`the terminal does not show ${String(text)}, but:\n${last}`, {
        cause: error,
      });
    }
  }

  /** Types into the terminal as a person does. */
  async type(text: string): Promise<void> {
    await this.#screen.locator('.xterm-screen').click({ timeout: patienceMs });
    await this.#page.keyboard.type(text);
  }

  /** Types a line and presses Enter. */
  async typeLine(line: string): Promise<void> {
    await this.type(line);
    await this.#page.keyboard.press('Enter');
  }

  get #screen(): Locator {
    return this.#page.locator('.terminal-wrapper.active .xterm:visible').first();
  }
}
