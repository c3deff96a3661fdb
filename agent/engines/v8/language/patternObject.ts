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
        if (each?.type === 'RestElement') throw restAgain();
        return each === null ? 'undefined' : patternObject(each, values);
      });
      return `[${parts.join(', ')}]`;
    }
    case 'ObjectPattern': {
      const parts = pattern.properties.map((each) => {
        if (each.type === 'RestElement') throw restAgain();
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

/** What a pattern collects is made when it is entered: another object than the one that the program may keep elsewhere. */
function restAgain(): NotResumable {
  return new NotResumable('behind a pattern that collects the rest of what it takes apart');
}
