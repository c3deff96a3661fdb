import type { DebugProtocol } from '@vscode/debugprotocol';
import type { CdpThread, Protocol } from '../cdp.ts';
import type { LiveFrame } from '../frame.ts';
import { evaluate } from './evaluation.ts';

export interface CompletionArguments {
  readonly text: string;
  /** Both from 1 on. */
  readonly column: number;
  readonly line?: number;
}

/** More than this many proposals are of no help to anybody. */
const maxProposals = 1_000;

/** Names and kinds of the properties of `this` and its prototypes, as `[name, kind]`; runs in the program. */
const listProperties = `function () {
  const found = new Map();
  for (let each = Object(this); each !== null && found.size < ${maxProposals}; each = Object.getPrototypeOf(each)) {
    for (const name of Object.getOwnPropertyNames(each)) {
      if (found.has(name) || /^\\d+$/.test(name)) continue;
      const property = Object.getOwnPropertyDescriptor(each, name);
      found.set(name, typeof property?.value === 'function' ? 'method' : 'property');
      if (found.size >= ${maxProposals}) break;
    }
  }
  return [...found];
}`;

/** Proposes what the text before the cursor may be completed to: variables in scope, or properties of an object. */
export async function complete(
  thread: CdpThread,
  frame: LiveFrame | undefined,
  { text, column, line = 1 }: CompletionArguments,
  signal: AbortSignal,
): Promise<DebugProtocol.CompletionItem[]> {
  const lines = text.split('\n');
  const before = [...lines.slice(0, line - 1), (lines[line - 1] ?? '').slice(0, column - 1)].join(
    '\n',
  );
  const prefix = /[\w$]*$/.exec(before)?.[0] ?? '';
  const rest = before.slice(0, before.length - prefix.length);
  const object = objectBefore(rest);
  const names =
    object === undefined
      ? await namesInScope(thread, frame, signal)
      : await propertiesOf(thread, frame, object, signal);
  return names
    .filter(([name]) => name.toLowerCase().startsWith(prefix.toLowerCase()))
    .filter(([name]) => /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name))
    .slice(0, maxProposals)
    .map(([label, type], index) => ({
      label,
      type,
      sortText: String(index).padStart(5, '0'),
      start: column - 1 - prefix.length,
      length: prefix.length,
    }));
}

type Named = readonly [name: string, type: DebugProtocol.CompletionItemType];

/** The expression before a trailing dot: a chain of names, literal indexes and calls without arguments is not run. */
function objectBefore(text: string): string | undefined {
  const chain =
    /((?:[\w$]+|\]|\[(?:\d+|"[^"]*"|'[^']*')\])(?:\??\.[\w$#]+|\[(?:\d+|"[^"]*"|'[^']*')\])*)\??\.$/;
  return chain.exec(text)?.[1];
}

async function propertiesOf(
  thread: CdpThread,
  frame: LiveFrame | undefined,
  expression: string,
  signal: AbortSignal,
): Promise<readonly Named[]> {
  const { result, exceptionDetails } = await evaluate(thread, frame, `Object(${expression})`, {
    throwOnSideEffect: true,
    signal,
  });
  if (exceptionDetails !== undefined || result.objectId === undefined) return [];
  const found = await listOf(thread, result.objectId, signal);
  await thread.send('Runtime.releaseObject', { objectId: result.objectId }, signal);
  return found;
}

async function listOf(
  thread: CdpThread,
  objectId: string,
  signal: AbortSignal,
): Promise<readonly Named[]> {
  const { result } = await thread.send(
    'Runtime.callFunctionOn',
    { objectId, functionDeclaration: listProperties, returnByValue: true, silent: true },
    signal,
  );
  return Array.isArray(result.value) ? (result.value as readonly Named[]) : [];
}

async function namesInScope(
  thread: CdpThread,
  frame: LiveFrame | undefined,
  signal: AbortSignal,
): Promise<readonly Named[]> {
  const scopes = (frame?.frame.scopeChain ?? []).filter(({ type }) => type !== 'global');
  const inScopes = scopes.map(async ({ object }): Promise<readonly Named[]> => {
    if (object.objectId === undefined) return [];
    const pushed = frame?.stop.scopes[object.objectId];
    const { result } =
      pushed ??
      (await thread.send(
        'Runtime.getProperties',
        { objectId: object.objectId, ownProperties: true },
        signal,
      ));
    return result.map(toVariable);
  });
  const lexical = thread
    .send('Runtime.globalLexicalScopeNames', {}, signal)
    .then(({ names }) => names.map((name): Named => [name, 'variable']));
  const global = propertiesOf(thread, undefined, 'globalThis', signal);
  const found = new Map<string, Named>();
  for (const each of (await Promise.all([...inScopes, lexical, global])).flat()) {
    if (!found.has(each[0])) found.set(each[0], each);
  }
  return [...found.values()];
}

function toVariable({ name, value }: Protocol.Runtime.PropertyDescriptor): Named {
  return [name, value?.type === 'function' ? 'function' : 'variable'];
}
