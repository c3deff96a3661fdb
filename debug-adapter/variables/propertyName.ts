import type { Property } from './properties.ts';

const identifier = /^[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*$/u;

/** The expression that gives a property of what `parent` gives; undefined where none can be written. */
export function propertyName(
  parent: string | undefined,
  { name, origin, symbol }: Property,
): string | undefined {
  if (parent === undefined || origin === 'internal' || symbol !== undefined) return undefined;
  if (origin === 'private') return `${parent}.${name}`;
  if (identifier.test(name)) return `${parent}.${name}`;
  return /^(0|[1-9]\d*)$/.test(name) ? `${parent}[${name}]` : `${parent}[${JSON.stringify(name)}]`;
}
