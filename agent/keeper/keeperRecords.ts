import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AppEnd } from './keeperMessages.ts';

export interface Scrollback {
  /** Offset of the first kept byte in everything the app ever wrote. */
  readonly start: number;
  readonly data: Buffer;
}

/** How the app of a cell ended, as the keeper wrote it down; undefined while it has not, or never will. */
export async function readAppEndRecord(dir: string): Promise<AppEnd | undefined> {
  const text = (await readIfPresent(join(dir, 'exit')))?.toString() ?? '';
  const match = /^(code|signal) (\d+)\n$/.exec(text);
  const number = Number(match?.[2]);
  if (match?.[1] === 'code') return { kind: 'code', code: number };
  if (match?.[1] === 'signal') return { kind: 'signal', signal: number };
  return (await readIfPresent(join(dir, 'departed'))) ? { kind: 'departed' } : undefined;
}

/** What was left in the scrollback when the app ended; undefined before. */
export async function readScrollbackRecord(dir: string): Promise<Scrollback | undefined> {
  const bytes = await readIfPresent(join(dir, 'scrollback'));
  if (bytes === undefined || bytes.length < 8) return undefined;
  return { start: Number(bytes.readBigUInt64LE(0)), data: bytes.subarray(8) };
}

async function readIfPresent(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
