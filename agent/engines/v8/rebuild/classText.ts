import type { AnyNode } from 'acorn';
import type { Edit } from '../language/edits.ts';
import type { ClassNode } from '../language/parse.ts';

/** Names that generated code around classes uses. */
export const classNames = {
  hook: '$flickH',
  quiet: '$flickZ',
  parent: '$flickS',
  keys: '$flickK',
} as const;

export interface ClassText {
  readonly edits: Edit[];
  /** Private fields of instances, in the order in which they are added. */
  readonly fields: readonly string[];
  /** By the offset of a method with a computed key, the key that stands in for it. */
  readonly standIns: ReadonlyMap<number, string>;
}

/**
 * What must change in a class so that making it runs nothing of the program: its parent is handed in, static parts are
 * left out, computed keys are replaced; with `quiet`, instances can be made that get their private members and nothing else.
 */
export function editClass(
  source: string,
  node: ClassNode,
  quiet: boolean,
  hooked: boolean,
): ClassText {
  const edits: Edit[] = [];
  const fields: string[] = [];
  const standIns = new Map<number, string>();
  const setters: string[] = [];
  let computed = 0;
  const put = (start: number, end: number, text: string): void => {
    const lines = source.slice(start, end).replace(/[^\n\r\u2028\u2029]/g, '');
    edits.push({ start, end, text: text + lines });
  };
  const { superClass } = node;
  const isDerived = superClass != null;
  if (isDerived) put(superClass.start, superClass.end, `${classNames.parent}`);
  for (const member of node.body.body) {
    if (member.type === 'StaticBlock') {
      put(member.start, member.end, '');
      continue;
    }
    if (member.type === 'PropertyDefinition') {
      const { key, value, start, end } = member;
      const isPrivate = key.type === 'PrivateIdentifier';
      if (isPrivate) {
        const name = `#${key.name}`;
        setters.push(`${JSON.stringify(name)}: (o, v) => { o.${name} = v; }`);
        if (!member.static) fields.push(name);
      }
      if (member.static) {
        if (!isPrivate) put(start, end, '');
        else if (value != null) put(value.start, value.end, 'undefined');
        continue;
      }
      if (member.computed) {
        put(key.start, key.end, `${classNames.keys}[${computed}]`);
        computed += 1;
      }
      if (quiet && value != null) {
        edits.push({
          start: value.start,
          end: value.start,
          text: `${classNames.quiet} ? undefined : (`,
        });
        edits.push({ start: value.end, end: value.end, text: ')', closes: true });
      }
      continue;
    }
    if (member.computed) {
      const standIn = `$flick${member.start}`;
      standIns.set(member.start, standIn);
      put(member.key.start, member.key.end, JSON.stringify(standIn));
    }
    if (quiet && member.kind === 'constructor') {
      const at = member.value.body.start + 1;
      const leave = isDerived ? `{ super(...${classNames.quiet}); return; }` : 'return;';
      edits.push({ start: at, end: at, text: ` if (${classNames.quiet}) ${leave}` });
    }
  }
  if (hooked || quiet || setters.length > 0) {
    const at = node.body.end - 1;
    const text = ` static { ${classNames.hook}(this, ($flickT) => eval($flickT), { ${setters.join(', ')} }); }`;
    edits.push({ start: at, end: at, text });
  }
  return { edits, fields, standIns };
}

/** The key under which a method is found on its class as it was made. */
export function methodKey(
  member: AnyNode,
  standIns: ReadonlyMap<number, string>,
): string | undefined {
  if (member.type !== 'MethodDefinition') return undefined;
  const { key } = member;
  if (member.computed) return standIns.get(member.start);
  if (key.type === 'Identifier') return key.name;
  return key.type === 'Literal' ? String(key.value) : undefined;
}
