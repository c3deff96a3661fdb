import type { Page } from 'playwright-core';
import { Dialog } from './dialog.ts';
import { Notifications } from './notifications.ts';
import { QuickInput } from './quickInput.ts';
import { Terminal } from './terminal.ts';
import { Tree } from './tree.ts';
import { patienceMs, waitFor } from './wait.ts';

/** The window of VS Code, as a person sees and uses it. */
export class Workbench {
  readonly dialog: Dialog;
  readonly notifications: Notifications;
  readonly quickInput: QuickInput;
  readonly terminal: Terminal;
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
    this.dialog = new Dialog(page);
    this.notifications = new Notifications(page);
    this.quickInput = new QuickInput(page);
    this.terminal = new Terminal(page);
  }

  /** Runs a command from the palette by its whole title, such as `Flick: Add Device…`. */
  command(title: string): Promise<void> {
    return this.quickInput.runCommand(title);
  }

  /** Opens a view container from the activity bar, unless it is open. */
  async openContainer(title: string): Promise<void> {
    const item = this.#page.locator('.activitybar .action-item', {
      has: this.#page.locator(`a.action-label[aria-label^="${title}"]`),
    });
    await item.first().waitFor({ timeout: patienceMs });
    await waitFor(`the view container “${title}”`, async () => {
      const open = await item.first().evaluate((element) => {
        return (element as unknown as { className: string }).className.includes('checked');
      });
      // A second press on the open container would close it.
      if (!open) await item.first().click();
      return open;
    });
  }

  /** The number on a container's icon; undefined where it has none. */
  async badge(title: string): Promise<string | undefined> {
    const badge = this.#page
      .locator('.activitybar .action-item', {
        has: this.#page.locator(`a.action-label[aria-label^="${title}"]`),
      })
      .locator('.badge-content');
    const text = (await badge.count()) === 0 ? '' : await badge.first().innerText();
    return text === '' ? undefined : text;
  }

  /** A tree view by the title of its pane. */
  tree(title: string): Tree {
    return new Tree(this.#page, title);
  }

  /** The text of an open view that has no rows: its welcome content. */
  async welcome(): Promise<string> {
    const content = this.#page.locator('.welcome-view-content:visible').first();
    await content.waitFor({ timeout: patienceMs });
    return content.innerText();
  }

  /** Waits for a status bar item that shows this text; gives its whole text. */
  async statusBar(text: string | RegExp, timeoutMs = patienceMs): Promise<string> {
    const item = this.#page.locator('.statusbar-item:visible', { hasText: text }).first();
    await item.waitFor({ timeout: timeoutMs });
    return (await item.innerText()).trim();
  }

  /** Presses a status bar item. */
  async pressStatusBar(text: string | RegExp): Promise<void> {
    const item = this.#page.locator('.statusbar-item:visible', { hasText: text }).first();
    await item.locator('a').first().click({ timeout: patienceMs });
  }

  /** The titles of the open editors, in order. */
  editors(): Promise<string[]> {
    return this.#page.locator('.tabs-container .tab .label-name').allInnerTexts();
  }
}
