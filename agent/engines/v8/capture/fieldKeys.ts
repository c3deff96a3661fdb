import type { AnyNode } from 'acorn';
import type { Value } from '../capsule/format.ts';
import type { ClassNode } from '../language/parse.ts';
import type { Graph } from './graph.ts';

/** How much of a string a heap snapshot tells. */
const shownLength = 300;

/**
 * The computed keys of the fields that instances of a class get; they were computed once, when the class was made, and
 * V8 keeps them in its context.
 */
// eslint-disable-next-line @typescript-eslint/no-unsafe-function-type
export function fieldKeys(graph: Graph, f: Function, node: ClassNode): Value[] | undefined {
  const computed = node.body.body.filter(
    (each) => each.type === 'PropertyDefinition' && each.computed,
  );
  const fields = computed.filter((each) => each.type === 'PropertyDefinition' && !each.static);
  if (fields.length === 0) return undefined;
  const { snapshot } = graph.heap;
  const context = snapshot.follow(graph.heap.nodeOf(f), 'context');
  const strings = (of: number): string[] =>
    snapshot
      .edges(of)
      .filter(({ to, type }) => type === 'hidden' && snapshot.type(to) === 'string')
      .map(({ to }) => snapshot.name(to));
  const names = strings(snapshot.follow(context, 'scope_info')).filter((name) => name !== '');
  const held = snapshot.edges(context).filter(({ type }) => type === 'hidden');
  const slots = names.filter((name) => name.startsWith('.class-field-'));
  // Fields of the class itself are not made again, and have no keys then.
  const kept = slots.length === computed.length ? computed : fields;
  if (slots.length !== kept.length || held.length !== names.length)
    throw graph.refuse('a class with computed keys that are not known');
  return fields.map((field) => {
    const slot = held[names.indexOf(slots[kept.indexOf(field)] ?? '')]?.to ?? -1;
    const text = snapshot.name(slot);
    if (snapshot.type(slot) === 'string' && text.length < shownLength) return text;
    const symbol = symbolOf(graph, f, 'key' in field ? field.key : field);
    if (snapshot.type(slot) === 'symbol' && symbol !== undefined)
      return graph.value(symbol, 'a key');
    throw graph.refuse('a class with a computed key that cannot be told');
  });
}

/** A symbol that a variable or a property of the class `Symbol` names. */
// eslint-disable-next-line @typescript-eslint/no-unsafe-function-type
function symbolOf(graph: Graph, f: Function, key: AnyNode): symbol | undefined {
  let found: unknown;
  if (key.type === 'MemberExpression' && key.object.type === 'Identifier') {
    const isKnown = key.object.name === 'Symbol' && key.property.type === 'Identifier';
    if (isKnown && key.property.type === 'Identifier')
      found = Reflect.getOwnPropertyDescriptor(Symbol, key.property.name)?.value;
  } else if (key.type === 'Identifier') {
    for (const { object } of graph.inspection.internals(f).scopes) {
      if (!Object.hasOwn(object, key.name)) continue;
      found = Reflect.get(object, key.name);
      break;
    }
  }
  return typeof found === 'symbol' ? found : undefined;
}
