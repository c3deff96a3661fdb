import { existsSync } from 'node:fs';
import { provisioned } from '../support/provisioned.ts';

/** A Node.js that programs are moved from or to. */
export type NodeName = '20' | '24' | '26';

/** The Node.js processes that a program runs in, one after the other. */
export type Route = readonly [NodeName, NodeName, ...NodeName[]];

/** What acceptance asks for; the last one moves twice in a row. */
export const routes: readonly Route[] = [
  ['20', '20'],
  ['20', '24'],
  ['24', '20'],
  ['24', '26'],
  ['20', '24', '20'],
];

/** The path of a Node.js, or undefined where it could not be had. */
export function nodePath(name: NodeName): string | undefined {
  if (name === '20') {
    return process.versions.node.startsWith('20.') ? process.execPath : undefined;
  }
  const path = provisioned[`node${name}`];
  return existsSync(path) ? path : undefined;
}

/** @throws for a Node.js that is not there */
export function requireNode(name: NodeName): string {
  const path = nodePath(name);
  if (path === undefined) throw new Error(`Node ${name} could not be had on this machine`);
  return path;
}

/** Reads `20-24` or `20-24-20`. */
export function parseRoute(text: string): Route {
  const names = text.split('-').map((name) => {
    if (name === '20' || name === '24' || name === '26') return name;
    throw new Error(`${name} is none of 20, 24 and 26`);
  });
  const [first, second, ...rest] = names;
  if (first === undefined || second === undefined) throw new Error(`${text} has no target`);
  return [first, second, ...rest];
}
