import type { ContextRecord } from '../capsule/format.ts';
import type { Unit } from '../language/origin.ts';
import { newTargetName } from '../language/receivers.ts';
import type { Scope } from '../language/scopes.ts';
import { Layout } from './evaluator.ts';

interface ContextParts {
  /** Whether it has to be said that the text is strict. */
  readonly strict: boolean;
  /** Whether an activation goes on in it, which initializes its variables itself. */
  readonly isRunning: boolean;
  /** Functions that are variables of it. */
  readonly declared: readonly {
    readonly name: string;
    readonly start: number;
    readonly text: Unit;
  }[];
}

/**
 * A generator function each call of which is a context: it gives the functions that are declared in it, evaluates what it
 * is asked to, and takes the values of its variables.
 */
export function contextText(
  source: string,
  record: ContextRecord,
  scope: Scope,
  { strict, isRunning, declared }: ContextParts,
): Unit {
  const opening = record.home === undefined ? '(function* () {' : '({ *m() {';
  const layout = new Layout(source, `${opening} ${strict ? "'use strict'; " : ''}`);
  const sorted = [...declared].sort((a, b) => a.start - b.start);
  for (const { start, text } of sorted) layout.at(start, text).add(';');
  const own = declared.map(({ name }) => name);
  layout.add(
    `let $flickR = yield { ${own.join(', ')} }; while (typeof $flickR === 'string') $flickR = yield eval($flickR);`,
  );
  const waiting: string[] = [];
  for (const [name, value] of Object.entries(record.vars)) {
    if (name === 'arguments' && scope.strict) continue;
    const binding = scope.bindings.get(name);
    if (isHole(value)) {
      if (isRunning) layout.add(` let ${name};`);
      else waiting.push(name);
    } else if (own.includes(name)) layout.add(` ${name} = $flickR.${name};`);
    else {
      // One that a rebuild left to an activation has no other mark of not being initialized.
      const isConstant = binding?.kind === 'const' && !(isRunning && isUndefined(value));
      layout.add(` ${isConstant ? 'const' : 'let'} ${name} = $flickR.${name};`);
    }
  }
  if (waiting.length > 0) layout.add(` yield; let ${waiting.join(', ')};`);
  if (record.target !== undefined) layout.add(` let ${newTargetName} = $flickR.${newTargetName};`);
  return layout.add(record.home === undefined ? ' })' : ' } })').unit;
}

/** A variable that has no value, be it that it was given none. */
export function isUndefined(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

/** A variable that is not initialized. */
export function isHole(value: unknown): boolean {
  return Array.isArray(value) && value[0] === 'h';
}
