import { manifest, type Entry } from '../files/manifest.ts';
import { readValidated, writeDurably } from '../state/durable.ts';

/** What came along with a process to this device, kept for its next hop. */
export async function readManifest(path: string): Promise<readonly Entry[]> {
  return (await readValidated(path, manifest)) ?? [];
}

export async function writeManifest(path: string, entries: readonly Entry[]): Promise<void> {
  await writeDurably(path, `${JSON.stringify(entries)}\n`);
}
