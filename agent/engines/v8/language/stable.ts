import type { AnyNode } from 'acorn';
import type { ScopeTree } from './scopes.ts';

/** What is known of an activation beyond its source. */
export interface ActivationView {
  /** Whether what an expression yields now is what the activation holds already. */
  isUnchanged(node: AnyNode): boolean;
}

/** Where an expression stands. */
interface Place {
  readonly tree: ScopeTree;
  readonly view: ActivationView;
  /** The expression whose evaluation is under way: variables written within it are not stable. */
  readonly root: AnyNode;
  /** One that reads what it is about to write. */
  readonly assignment: AnyNode | undefined;
}

/** Whether evaluating an expression again gives what it gave, and does nothing besides. */
export function isStable(node: AnyNode, place: Place): boolean {
  const all = (nodes: readonly (AnyNode | null)[]): boolean =>
    nodes.every((each) => each !== null && isStable(each, { ...place, assignment: undefined }));
  switch (node.type) {
    case 'Literal':
    case 'ThisExpression':
    case 'Super':
    case 'FunctionExpression':
    case 'ArrowFunctionExpression':
    case 'MetaProperty':
      return true;
    case 'TemplateLiteral':
      return all(node.expressions);
    case 'ArrayExpression':
      return all(node.elements);
    case 'ObjectExpression':
      return node.properties.every(
        (each) =>
          each.type === 'Property' &&
          !each.computed &&
          isStable(each.value, { ...place, assignment: undefined }),
      );
    case 'UnaryExpression':
      return (
        node.operator !== 'delete' && isStable(node.argument, { ...place, assignment: undefined })
      );
    case 'Identifier':
      return isStableName(node, place) || place.view.isUnchanged(node);
    case 'MemberExpression':
      return (
        isStable(node.object, { ...place, assignment: undefined }) &&
        (!node.computed || isStable(node.property, { ...place, assignment: undefined })) &&
        place.view.isUnchanged(node)
      );
    default:
      return false;
  }
}

function isStableName(node: AnyNode, { tree, root, assignment }: Place): boolean {
  const binding = tree.references.get(node);
  if (binding === undefined) return node.type === 'Identifier' && node.name === 'undefined';
  const writes = binding.writes.filter((write) => write !== assignment);
  // Another module may change what it exports at any time.
  if (binding.kind === 'import') return false;
  if (binding.kind === 'const' || binding.kind === 'class') return true;
  if (binding.writes.length === 0) return true;
  // Nobody else can write what no other function sees.
  return !binding.captured && !writes.some((write) => within(write, root));
}

export function within(inner: AnyNode, outer: AnyNode): boolean {
  return inner.start >= outer.start && inner.end <= outer.end;
}
