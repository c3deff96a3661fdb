import type { Page } from 'playwright-core';
import { patienceMs, sleep, waitFor } from './wait.ts';

/** The parts of the window that people debug with. */
export class Debugging {
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  /** Presses the glyph margin beside a line of the editor in front, as one sets and removes breakpoints. */
  async clickGutter(line: number): Promise<void> {
    const number = this.#page
      .locator('.editor-group-container.active .margin-view-overlays .line-numbers')
      .filter({ hasText: new RegExp(`^${line}$`) });
    const box = await number.first().boundingBox({ timeout: patienceMs });
    const margin = await this.#page
      .locator('.editor-group-container.active .margin')
      .first()
      .boundingBox();
    if (box === null || margin === null) throw new Error(`line ${line} cannot be seen`);
    await this.#page.mouse.click(margin.x + 8, box.y + box.height / 2);
  }

  /** Waits until so many breakpoints are shown in the editor in front. */
  async waitForBreakpoints(count: number): Promise<void> {
    const glyphs = this.#page.locator('.editor-group-container.active .codicon-debug-breakpoint');
    await waitFor(`${count} breakpoints`, async () => (await glyphs.count()) === count);
  }

  /** The text of the highlighted line on which the program stands. */
  async waitForLine(text: string | RegExp): Promise<void> {
    await waitFor(`the program to stand on ${String(text)}`, async () => {
      const line = await this.#highlightedText();
      return (
        line !== undefined && (typeof text === 'string' ? line.includes(text) : text.test(line))
      );
    });
  }

  /** Waits until no line is highlighted: the program runs. */
  async waitUntilRunning(): Promise<void> {
    await waitFor('the program to run', () => this.#isRunning());
  }

  /** Presses F5 as often as it takes: a breakpoint whose removal is still on its way may be hit once more. */
  async continueUntilRunning(): Promise<void> {
    await waitFor('the program to run on', async () => {
      if (await this.#isRunning()) {
        await sleep(1_000);
        if (await this.#isRunning()) return true;
      }
      await this.#page.keyboard.press('F5');
      await sleep(500);
      return false;
    });
  }

  async #isRunning(): Promise<boolean> {
    return (await this.#page.locator('.debug-top-stack-frame-line').count()) === 0;
  }

  /** The rows of the call stack or another list of the debug view, by the title of its pane. */
  async rows(pane: 'Variables' | 'Call Stack' | 'Watch'): Promise<string[]> {
    const rows = this.#pane(pane).locator('.monaco-list-row');
    return (await rows.allInnerTexts()).map((text) => text.replaceAll(/\s+/g, ' ').trim());
  }

  /** Opens a row of the Variables view that is closed. */
  async expand(name: string): Promise<void> {
    const row = this.#pane('Variables')
      .locator('.monaco-list-row')
      .filter({ hasText: new RegExp(`^\\s*${name}\\s*$`) })
      .first();
    await row.waitFor({ timeout: patienceMs });
    await waitFor(`${name} to be open`, async () => {
      if ((await row.getAttribute('aria-expanded')) === 'true') return true;
      await row.click();
      return false;
    });
  }

  /** Edits a variable as one does with the mouse: double click, type, Enter. */
  async setVariable(name: string, value: string): Promise<void> {
    const row = this.#pane('Variables')
      .locator('.monaco-list-row')
      .filter({ hasText: new RegExp(`^\\s*${name}\\s*[=:]`) })
      .first();
    await row.waitFor({ timeout: patienceMs });
    await row.dblclick({ position: { x: 60, y: 10 } });
    const input = this.#pane('Variables').locator('.monaco-inputbox input');
    await input.waitFor({ timeout: patienceMs });
    await input.fill(value);
    await input.press('Enter');
    await waitFor(`${name} to be ${value}`, async () =>
      (await this.rows('Variables')).some((text) =>
        new RegExp(`^${name}\\s*[=:]\\s*${value}$`).test(text),
      ),
    );
  }

  async #highlightedText(): Promise<string | undefined> {
    const mark = this.#page.locator('.debug-top-stack-frame-line').first();
    if ((await mark.count()) === 0) return undefined;
    const box = await mark.boundingBox();
    if (box === null) return undefined;
    const lines = this.#page.locator('.editor-group-container.active .view-lines .view-line');
    for (const line of await lines.all()) {
      const at = await line.boundingBox();
      if (at !== null && Math.abs(at.y - box.y) < box.height / 2) {
        return (await line.innerText()).replaceAll('\u00a0', ' ');
      }
    }
    return undefined;
  }

  #pane(title: string): ReturnType<Page['locator']> {
    return this.#page.locator('.pane', {
      has: this.#page.locator('.pane-header h3.title', { hasText: new RegExp(`^${title}$`, 'i') }),
    });
  }
}
