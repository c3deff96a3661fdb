import { basename } from 'node:path';
import type { EngineStatus } from '../../../protocol/index.ts';
import { run } from '../../device/run.ts';

/** The oldest Node.js that a program is rebuilt in. */
const oldest = 20;

/** Distributions call it `node` or `nodejs`; one that was replaced while it runs is `… (deleted)`. */
export function isNodeProgram(path: string): boolean {
  return /^node(js)?(-?[\d.]+)?( \(deleted\))?$/.test(basename(path));
}

/** The agent itself runs in a Node.js that will do, unless that is too old. */
export function portableState(): EngineStatus {
  const version = process.versions.node;
  const available = Number(version.split('.')[0]) >= oldest;
  if (available) return { engine: 'v8', available, version: `Node.js ${version}`, findings: [] };
  return {
    engine: 'v8',
    available,
    version: `Node.js ${version}`,
    findings: [
      {
        cause: 'program',
        severity: 'blocks',
        side: 'target',
        what: `Node.js ${version} on this device is too old to go on with a program of another device.`,
        remedy: `Install Node.js ${oldest} or newer there.`,
      },
    ],
  };
}

/**
 * Which Node.js of this device goes on with a program: the one at the path where the program had its own, the one that
 * the user has, or the agent's; of these the first of the same version, else of the same line, else the agent's.
 * @param version `process.version` of the program
 */
export async function chooseNode(path: string, version: string): Promise<string> {
  const line = major(version);
  let sameLine: string | undefined;
  for (const candidate of [process.execPath, path, 'node']) {
    const found = await versionOf(candidate);
    if (found === undefined || major(found) < oldest) continue;
    if (found === version) return candidate;
    if (major(found) === line) sameLine ??= candidate;
  }
  return sameLine ?? process.execPath;
}

async function versionOf(node: string): Promise<string | undefined> {
  if (node === process.execPath) return process.version;
  if (!isNodeProgram(node)) return undefined;
  const { code, stdout } = await run([node, '--version'], { timeoutMs: 5_000 });
  return code === 0 ? stdout.trim() : undefined;
}

function major(version: string): number {
  return Number(/^v?(\d+)/.exec(version)?.[1] ?? 0);
}
