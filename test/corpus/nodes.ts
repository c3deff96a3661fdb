import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { provisioned } from '../support/provisioned.ts';

const nodeNames = ['20', '24', '26', 'arm64'] as const;
/** A Node.js that programs are moved from or to: a version for this machine, or Node 24 for arm64, emulated. */
export type NodeName = (typeof nodeNames)[number];

/** The Node.js processes that a program runs in, one after the other. */
export type Route = readonly [NodeName, NodeName, ...NodeName[]];

/** Between versions; the last one moves twice in a row. */
export const routes: readonly Route[] = [
  ['20', '20'],
  ['20', '24'],
  ['24', '20'],
  ['24', '26'],
  ['20', '24', '20'],
];

/** To another architecture and back. */
export const abroad: Route = ['24', 'arm64', '24'];

/** The command that a Node.js is started by, or undefined where it could not be had. */
function commandOf(name: NodeName): readonly string[] | undefined {
  if (name === '20') {
    return process.versions.node.startsWith('20.') ? [process.execPath] : undefined;
  }
  const paths = {
    '24': provisioned.node24,
    '26': provisioned.node26,
    arm64: provisioned['node-arm64'],
  };
  const path = paths[name];
  if (!existsSync(path)) return undefined;
  if (name !== 'arm64') return [path];
  const folder = dirname(path);
  return [join(folder, 'qemu'), '-L', join(folder, 'root'), path];
}

export function isEmulated(name: NodeName | undefined): boolean {
  return name === 'arm64';
}

export function isThere(name: NodeName): boolean {
  return commandOf(name) !== undefined;
}

/** @throws for a Node.js that is not there */
export function nodeCommand(name: NodeName): readonly string[] {
  const command = commandOf(name);
  if (command === undefined) throw new Error(`Node ${name} could not be had on this machine`);
  return command;
}

/** Reads `20-24` or `24-arm64-24`. */
export function parseRoute(text: string): Route {
  const names = text.split('-').map((word) => {
    const found = nodeNames.find((name) => name === word);
    if (found === undefined) throw new Error(`${word} is none of ${nodeNames.join(', ')}`);
    return found;
  });
  const [first, second, ...rest] = names;
  if (first === undefined || second === undefined) throw new Error(`${text} has no target`);
  return [first, second, ...rest];
}
