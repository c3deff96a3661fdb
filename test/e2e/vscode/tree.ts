import type { Locator, Page } from 'playwright-core';
import { exactly } from './match.ts';
import { patienceMs, sleep, waitFor } from './wait.ts';

/** A row of a tree as the screen shows it. */
export interface TreeRow {
  readonly label: string;
  /** The greyed text behind the label; empty where there is none. */
  readonly description: string;
  /** 1 for a root. */
  readonly level: number;
  readonly selected: boolean;
  /** Undefined for a row that has no children. */
  readonly expanded: boolean | undefined;
}

/**
 * A tree view, found by the title of its pane. VS Code keeps only the rows on the screen in the page, so this sees as
 * many as fit on it.
 */
export class Tree {
  readonly #page: Page;
  readonly #title: string;

  constructor(page: Page, title: string) {
    this.#page = page;
    this.#title = title;
  }

  /** All rows on the screen, from top to bottom. */
  async rows(): Promise<TreeRow[]> {
    return (await this.#indexedRows()).map(({ row }) => row);
  }

  /** The labels of the rows right below a row, at this moment. */
  async childrenOf(parent: RowName): Promise<string[]> {
    const rows = await this.rows();
    const at = indexOf(rows, parent);
    const level = rows[at]?.level;
    if (level === undefined) throw new Error(`there is no row ${nameOf(parent)}`);
    const after = rows.slice(at + 1);
    const end = after.findIndex((row) => row.level <= level);
    const below = end === -1 ? after : after.slice(0, end);
    return below.filter((row) => row.level === level + 1).map(({ label }) => label);
  }

  /**
   * Waits until the rows right below a row are these, in this order.
   * @throws {Error} that names the rows that were there last
   */
  async waitForChildren(
    parent: RowName,
    labels: readonly string[],
    timeoutMs = patienceMs,
  ): Promise<void> {
    let last: readonly string[] = [];
    const same = async (): Promise<boolean> => {
      last = await this.childrenOf(parent);
      return last.length === labels.length && last.every((label, at) => label === labels[at]);
    };
    try {
      await waitFor(`the rows below ${nameOf(parent)}`, same, timeoutMs);
    } catch (cause) {
      const text = `${nameOf(parent)} has ${last.join(', ')}, not ${labels.join(', ')}`;
      throw new Error(text, { cause });
    }
  }

  /** Waits until a row is there, and gives it. */
  async row(name: RowName, timeoutMs = patienceMs): Promise<TreeRow> {
    return waitFor(
      `the row ${nameOf(name)}`,
      async () => {
        const rows = await this.rows();
        return rows[indexOf(rows, name)];
      },
      timeoutMs,
    );
  }

  async waitUntilGone(name: RowName, timeoutMs = patienceMs): Promise<void> {
    const gone = async (): Promise<boolean> => indexOf(await this.rows(), name) === -1;
    await waitFor(`the row ${nameOf(name)} to go`, gone, timeoutMs);
  }

  /** The row's element; only as good as the moment, because the tree uses elements again for other rows. */
  async locate(name: RowName): Promise<Locator> {
    await this.row(name);
    const rows = await this.#indexedRows();
    const found =
      rows[
        indexOf(
          rows.map(({ row }) => row),
          name,
        )
      ];
    if (found === undefined) throw new Error(`the row ${nameOf(name)} went away`);
    return this.#rowLocator().and(this.#page.locator(`[data-index="${found.index}"]`));
  }

  async expand(name: RowName): Promise<void> {
    if ((await this.row(name)).expanded === true) return;
    await (await this.locate(name)).locator('.monaco-tl-twistie').click();
    const expanded = async (): Promise<boolean> => (await this.row(name)).expanded === true;
    await waitFor(`the row ${nameOf(name)} to open`, expanded);
  }

  /** Selects rows with the mouse, the second and later ones with Ctrl held. */
  async select(...names: readonly RowName[]): Promise<void> {
    for (const [at, name] of names.entries()) {
      const label = (await this.locate(name)).locator('.label-name').first();
      await label.click(at === 0 ? {} : { modifiers: ['Control'] });
    }
    const selected = async (): Promise<boolean> => {
      const rows = await this.rows();
      return names.every((name) => rows[indexOf(rows, name)]?.selected === true);
    };
    await waitFor(`${names.map(nameOf).join(', ')} to be selected`, selected);
  }

  /** The hover of a row: its tooltip as text. */
  async tooltip(name: RowName): Promise<string> {
    await (await this.locate(name)).locator('.label-name').first().hover();
    const hover = this.#page.locator('.monaco-hover:visible').last();
    await hover.waitFor({ timeout: patienceMs });
    const text = await hover.innerText();
    await this.#page.mouse.move(0, 0);
    return text;
  }

  /** Presses an inline action of a row, by its title. */
  async inlineAction(name: RowName, title: string): Promise<void> {
    const row = await this.locate(name);
    await row.hover();
    await row.locator(`.actions .action-label[aria-label^="${title}"]`).click();
  }

  /** Opens a row's context menu and picks an entry. */
  async contextMenu(name: RowName, entry: string): Promise<void> {
    await (await this.locate(name)).click({ button: 'right' });
    const item = this.#page
      .locator('.context-view .action-item:not(.disabled)')
      .filter({ has: this.#page.locator('.action-label', { hasText: exactly(entry) }) });
    await item.first().hover({ timeout: patienceMs });
    await waitFor(`the menu to take “${entry}”`, async () => {
      // A menu ignores the mouse for a moment after it opened, so that the press that opened it picks nothing.
      if ((await item.count()) === 0) return true;
      await item.first().click({ timeout: 1000 });
      await sleep(150);
      return (await item.count()) === 0;
    });
  }

  /**
   * Drags rows onto another with the mouse and drops them. Several are selected first, as a person would.
   * @param beforeDrop runs while the mouse hovers over the target, for a screenshot
   * @throws {Error} when the tree does not accept the drop
   */
  async drag(
    sources: RowName | readonly RowName[],
    target: RowName,
    beforeDrop: () => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
    const names = [sources].flat() as readonly RowName[];
    const [first] = names;
    if (first === undefined) throw new Error('there is nothing to drag');
    if (names.length > 1) await this.select(...names);
    const from = await centre((await this.locate(first)).locator('.label-name').first());
    const mouse = this.#page.mouse;
    await mouse.move(from.x, from.y);
    await mouse.down();
    try {
      // A drag begins only when the pressed mouse has gone more than three pixels.
      await mouse.move(from.x + 6, from.y + 3, { steps: 3 });
      const onto = await centre((await this.locate(target)).locator('.label-name').first());
      await mouse.move(onto.x, onto.y, { steps: 12 });
      let sway = 0;
      await waitFor(
        `the tree to accept a drop on ${nameOf(target)}`,
        async () => {
          // The tree answers a dragover late, and only to a mouse that moves.
          await mouse.move(onto.x + (sway++ % 2), onto.y);
          await sleep(60);
          return (await this.#page.locator('.monaco-list-row.drop-target').count()) > 0;
        },
        5000,
      );
      await beforeDrop();
    } catch (error) {
      await this.#page.keyboard.press('Escape');
      await mouse.move(0, 0);
      await mouse.up();
      throw error;
    }
    await mouse.up();
  }

  #rowLocator(): Locator {
    return this.#page
      .locator('.pane', {
        has: this.#page.locator('.pane-header h3.title', { hasText: exactly(this.#title) }),
      })
      .locator('.pane-body .monaco-list-row');
  }

  async #indexedRows(): Promise<{ index: number; row: TreeRow }[]> {
    const found = await this.#rowLocator().evaluateAll((elements) => {
      interface Row {
        getAttribute(name: string): string | null;
        querySelector(selector: string): { readonly textContent: string } | null;
      }
      return (elements as unknown as Row[]).map((element) => ({
        index: Number(element.getAttribute('data-index')),
        label: element.querySelector('.label-name')?.textContent ?? '',
        description: element.querySelector('.label-description')?.textContent ?? '',
        level: Number(element.getAttribute('aria-level')),
        selected: element.getAttribute('aria-selected') === 'true',
        expanded: element.getAttribute('aria-expanded'),
      }));
    });
    return found
      .sort((a, b) => a.index - b.index)
      .map(({ index, expanded, ...row }) => ({
        index,
        row: { ...row, expanded: expanded === null ? undefined : expanded === 'true' },
      }));
  }
}

/** A row's label, with that of one of its ancestors where several rows have the same. */
export type RowName = string | { readonly label: string; readonly under: string };

function nameOf(name: RowName): string {
  return typeof name === 'string' ? `“${name}”` : `“${name.label}” under “${name.under}”`;
}

/** Where the row is, -1 for nowhere. */
function indexOf(rows: readonly TreeRow[], name: RowName): number {
  const { label, under } = typeof name === 'string' ? { label: name, under: undefined } : name;
  const ancestors: string[] = [];
  return rows.findIndex((row) => {
    ancestors.length = row.level - 1;
    const found = row.label === label && (under === undefined || ancestors.includes(under));
    ancestors.push(row.label);
    return found;
  });
}

async function centre(locator: Locator): Promise<{ x: number; y: number }> {
  const box = await locator.boundingBox();
  if (box === null) throw new Error('the row is not on the screen');
  return { x: box.x + Math.min(box.width / 2, 60), y: box.y + box.height / 2 };
}
