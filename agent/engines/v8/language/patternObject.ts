import type { AnyNode } from 'acorn';
import { NotResumable } from './notResumable.ts';

/** An expression whose value gives the names of a pattern these values when it is destructured. */
export function patternObject(pattern: AnyNode, values: ReadonlyMap<string, string>): string {
  switch (pattern.type) {
    case 'Identifier':
      return values.get(pattern.name) ?? 'undefined';
    case 'AssignmentPattern':
      // A default would stand in for undefined, which it had done before already.
      return patternObject(pattern.left, values);
    case 'ArrayPattern': {
      const parts = pattern.elements.map((each) => {
        if (each?.type === 'RestElement') return `...${collected(each.argument, values)}`;
        return each === null ? 'undefined' : patternObject(each, values);
      });
      return `[${parts.join(', ')}]`;
    }
    case 'ObjectPattern': {
      const parts = pattern.properties.flatMap((each) => {
        if (each.type === 'RestElement') return [];
        const { key, value } = each;
        if (each.computed) throw new NotResumable('inside a pattern with a computed key');
        const name =
          key.type === 'Identifier' ? key.name : key.type === 'Literal' ? String(key.value) : '';
        return `${JSON.stringify(name)}: ${patternObject(value, values)}`;
      });
      return `{ ${parts.join(', ')} }`;
    }
    default:
      throw new NotResumable('inside a pattern that cannot be entered again');
  }
}

/** What a rest of an array is taken apart from; where it has a name it is replaced by what it was: {@link restNames}. */
function collected(rest: AnyNode, values: ReadonlyMap<string, string>): string {
  if (rest.type === 'Identifier') return '[]';
  if (rest.type === 'ArrayPattern') return patternObject(rest, values);
  throw new NotResumable('inside a pattern that cannot be entered again');
}

/** The names that a pattern gives what it collects (`others` in `[first, ...others]`): new objects whenever it is entered. */
export function restNames(pattern: AnyNode): string[] {
  switch (pattern.type) {
    case 'AssignmentPattern':
      return restNames(pattern.left);
    case 'RestElement':
      return pattern.argument.type === 'Identifier'
        ? [pattern.argument.name]
        : restNames(pattern.argument);
    case 'ArrayPattern':
      return pattern.elements.flatMap((each) => (each === null ? [] : restNames(each)));
    case 'ObjectPattern':
      return pattern.properties.flatMap((each) =>
        restNames(each.type === 'RestElement' ? each : each.value),
      );
    default:
      return [];
  }
}
