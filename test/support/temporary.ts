import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** An empty folder, removed by whoever calls `remove`. The path is short enough for a socket inside. */
export function temporaryFolder(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'flick-test-'));
  // A daemon that ends because its folder goes may still write into it for a moment.
  const patient = { recursive: true, force: true, maxRetries: 20, retryDelay: 100 };
  return { path, remove: () => rmSync(path, patient) };
}
