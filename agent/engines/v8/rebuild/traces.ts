import { createHash } from 'node:crypto';
import type { ScriptRecord } from '../capsule/format.ts';
import type { NodeInternals } from '../capture/internals.ts';
import { readOriginMark, type OriginMark } from '../language/origin.ts';
import { positionOf } from '../language/positions.ts';

type Prepare = (realm: unknown, error: unknown, trace: readonly NodeJS.CallSite[]) => unknown;

/** A place of a script as its author wrote it, from 1. */
interface Place {
  readonly url: string;
  readonly line: number;
  readonly column: number;
}

/** Generated texts that V8 has not been asked about yet, and those that it has, by the hash that it has for each. */
const texts: string[] = [];
const marks = new Map<string, OriginMark>();

/** Tells of a text that V8 is given, so that traces through it can show what it was made of. */
export function noteText(text: string): string {
  texts.push(text);
  return text;
}

/** Forgets the texts of which nothing stays. */
export function forgetTexts(): void {
  texts.length = 0;
}

function markOf(hash: string): OriginMark | undefined {
  for (const text of texts.splice(0)) {
    const mark = readOriginMark(text);
    if (mark !== undefined) marks.set(createHash('sha256').update(text).digest('hex'), mark);
  }
  return marks.get(hash);
}

/**
 * Lets traces show the program as it was written: its own lines and columns, where text that stands before them was
 * generated, and functions without a name, which V8 calls `eval` when that made them. What a program itself makes of traces
 * is given the same.
 */
export function showTracesAsWritten(
  internals: NodeInternals,
  scripts: readonly ScriptRecord[],
): void {
  const { prepareStackTraceCallback: usual } = internals.require('internal/errors') as {
    prepareStackTraceCallback?: Prepare;
  };
  const { setPrepareStackTraceCallback: set } = internals.binding('errors') as {
    setPrepareStackTraceCallback?: (prepare: Prepare) => void;
  };
  if (usual === undefined || set === undefined) return;
  set((realm, error, trace) =>
    usual(
      realm,
      error,
      trace.map((site) => asWritten(site, scripts)),
    ),
  );
}

function asWritten(site: NodeJS.CallSite, scripts: readonly ScriptRecord[]): NodeJS.CallSite {
  const mark = markOf(site.getScriptHash());
  const script = mark === undefined ? undefined : scripts[mark.script];
  if (mark === undefined || script === undefined) return site;
  const { line, column } = positionOf(script.source, mark.nearest(site.getPosition()));
  return writtenSite(site, { url: script.url, line: line + 1, column: column + 1 });
}

/** A site with the methods of another one that stands for it, since those of V8 are for its own objects only. */
function writtenSite(site: NodeJS.CallSite, place: Place): NodeJS.CallSite {
  const isNameless = site.isEval() && site.getFunctionName() === 'eval';
  const shown = {
    getFileName: () => place.url,
    getScriptNameOrSourceURL: () => place.url,
    getLineNumber: () => place.line,
    getColumnNumber: () => place.column,
    isEval: () => false,
    getEvalOrigin: () => undefined,
    ...(isNameless ? { getFunctionName: () => null } : {}),
    toString: () => textOf(site, place, isNameless),
  };
  const proto = Object.getPrototypeOf(site) as object;
  const made = Object.create(proto) as Record<string, unknown>;
  for (const name of Object.getOwnPropertyNames(proto)) {
    const method = (shown as Record<string, unknown>)[name] ?? Reflect.get(site, name);
    if (name === 'constructor' || typeof method !== 'function') continue;
    const value = Object.hasOwn(shown, name) ? method : (method.bind(site) as unknown);
    Object.defineProperty(made, name, { value, configurable: true, writable: true });
  }
  return made as unknown as NodeJS.CallSite;
}

function textOf(site: NodeJS.CallSite, { url, line, column }: Place, isNameless: boolean): string {
  const there = `${site.getScriptNameOrSourceURL() ?? ''}:${site.getLineNumber() ?? ''}:${site.getColumnNumber() ?? ''}`;
  const text = String(site);
  const index = text.lastIndexOf(there);
  if (index < 0) return text;
  const at = `${url}:${line}:${column}`;
  const whole = text.slice(0, index) + at + text.slice(index + there.length);
  if (!isNameless) return whole;
  return whole
    .replace(/^(async )?eval \((.*)\)$/, '$1$2')
    .replace(/^((?:async )?[^\s(]+\.)eval \[as ([^\]]+)\] \(/, '$1$2 (')
    .replace(/^((?:async )?[^\s(]+\.)eval \(/, '$1<anonymous> (')
    .replace(/^new eval \(/, 'new <anonymous> (');
}
