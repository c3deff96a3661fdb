import { basename } from 'node:path';
import type { Protocol } from '../cdp.ts';

/** Classes whose name says nothing about a function that is called on one of theirs. */
const plain: ReadonlySet<string> = new Set(['Object', 'Function', 'global', 'Window', 'Module']);

/** Name of a function as people know it: `Class.method`, `new Class`, `anonymous in app.ts`. */
export function nameOfCall(
  frame: Protocol.Debugger.CallFrame,
  original: string | undefined,
  file: string | undefined,
): string {
  const name = original ?? frame.functionName;
  if (name === '') return anonymous(file);
  if (name.includes('.')) return name;
  const { className, description, subtype } = frame.this;
  if (className === undefined || subtype === 'null') return name;
  if (className === 'Function') {
    const named = /^class (\w+)/.exec(description ?? '')?.[1];
    return named === undefined ? name : `${named}.${name}`;
  }
  if (name === className) return `new ${name}`;
  return plain.has(className) ? name : `${className}.${name}`;
}

export function nameOfPastCall(
  { functionName }: Protocol.Runtime.CallFrame,
  original: string | undefined,
  file: string | undefined,
): string {
  const name = original ?? functionName;
  return name === '' ? anonymous(file) : name;
}

export function nameOfAsync(name: string): string {
  return name.startsWith('async ') ? name : `async ${name}`;
}

function anonymous(file: string | undefined): string {
  return file === undefined ? 'anonymous' : `anonymous in ${basename(file)}`;
}
