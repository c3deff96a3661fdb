import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import {
  capsuleFormat,
  capsuleVersion,
  type Capsule,
  type CapsuleHeader,
  type Roots,
} from './format.ts';

/** Longest first line that is read of a file that may be anything, in bytes. */
const headerLimit = 1 << 20;

/** A file that is no capsule, a damaged one, or one of a newer engine. The message is a sentence for people. */
export class CapsuleError extends Error {}

/** @throws {CapsuleError} */
export function inspectCapsule(file: string): CapsuleHeader {
  const descriptor = openSync(file, 'r');
  try {
    const buffer = Buffer.alloc(headerLimit);
    const length = readSync(descriptor, buffer, 0, headerLimit, 0);
    const end = buffer.subarray(0, length).indexOf(10);
    if (end < 0) throw new CapsuleError(`${file} is not a capsule of a Node.js program.`);
    return header(file, buffer.toString('utf8', 0, end));
  } finally {
    closeSync(descriptor);
  }
}

/** @throws {CapsuleError} */
export function readCapsule(file: string): Capsule {
  const bytes = readFileSync(file);
  const firstEnd = bytes.indexOf(10);
  if (firstEnd < 0) throw new CapsuleError(`${file} is not a capsule of a Node.js program.`);
  const head = header(file, bytes.toString('utf8', 0, firstEnd));
  if (bytes.at(-1) !== 10) throw damaged(file, 'is cut off at its end');
  const trailerStart = bytes.lastIndexOf(10, bytes.length - 2) + 1;
  checkHash(file, bytes, trailerStart);
  const sections = new Map<string, unknown[]>();
  for (let at = firstEnd + 1; at < trailerStart;) {
    const end = bytes.indexOf(10, at);
    const [name, part] = section(file, parse(file, bytes.toString('utf8', at, end)));
    const list = sections.get(name) ?? [];
    for (const each of part) list.push(each);
    sections.set(name, list);
    at = end + 1;
  }
  const take = (name: string): unknown[] => {
    const found = sections.get(name);
    if (found === undefined) throw damaged(file, `has no ${name}`);
    return found;
  };
  return {
    header: head,
    symbols: take('symbols') as Capsule['symbols'],
    shapes: take('shapes') as Capsule['shapes'],
    scripts: take('scripts') as Capsule['scripts'],
    contexts: take('contexts') as Capsule['contexts'],
    objects: take('objects') as Capsule['objects'],
    roots: take('roots')[0] as Roots,
  };
}

function checkHash(file: string, bytes: Buffer, trailerStart: number): void {
  const trailer = parse(file, bytes.toString('utf8', trailerStart));
  const hash = isRecord(trailer) ? trailer['sha256'] : undefined;
  const actual = createHash('sha256').update(bytes.subarray(0, trailerStart)).digest('hex');
  if (hash !== actual) throw damaged(file, 'does not end as it was written');
}

function header(file: string, line: string): CapsuleHeader {
  const value = parse(file, line);
  if (!isRecord(value) || value['format'] !== capsuleFormat) {
    throw new CapsuleError(`${file} is not a capsule of a Node.js program.`);
  }
  if (value['version'] !== capsuleVersion) {
    throw new CapsuleError(
      `${file} is a capsule of version ${String(value['version'])}; this Flick reads version ${capsuleVersion}.`,
    );
  }
  const texts = ['node', 'arch', 'platform', 'cwd'];
  const lists = ['argv', 'execArgv', 'dropped'];
  const counts = value['counts'];
  const good =
    texts.every((key) => typeof value[key] === 'string') &&
    lists.every((key) => isTexts(value[key])) &&
    isRecord(counts) &&
    Object.values(counts).every((count) => Number.isSafeInteger(count));
  if (!good) throw damaged(file, 'has a header that is not one');
  return value as unknown as CapsuleHeader;
}

function section(file: string, value: unknown): [string, unknown[]] {
  if (Array.isArray(value) && typeof value[0] === 'string' && Array.isArray(value[1])) {
    return [value[0], value[1]];
  }
  throw damaged(file, 'has a section that is not one');
}

function parse(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw damaged(file, 'is cut off or changed');
  }
}

function damaged(file: string, how: string): CapsuleError {
  return new CapsuleError(`The capsule ${file} is damaged: it ${how}.`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}
