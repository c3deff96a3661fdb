import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { root } from '../../support/provisioned.ts';

const folder = join(root, 'test-output', 'screenshots');
// One count for all sessions of a run: the pictures sort in the order they were taken.
let taken = 0;

/**
 * Takes a picture of the window: `test-output/screenshots/NN-name.png`.
 * @returns the picture's path
 */
export async function takeScreenshot(page: Page, name: string): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const number = String(++taken).padStart(2, '0');
  const path = join(folder, `${number}-${name.replaceAll(/[^\w-]+/g, '-')}.png`);
  await page.screenshot({ path });
  return path;
}
