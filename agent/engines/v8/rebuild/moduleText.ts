import type { AnyNode } from 'acorn';
import type { Capsule, FunctionRecord, ModuleRecord } from '../capsule/format.ts';
import { applyEdits, type Edit } from '../language/edits.ts';
import { localExports, metaName, moduleName } from '../language/moduleBody.ts';
import { markUnit } from '../language/origin.ts';
import type { ScopeTree } from '../language/scopes.ts';
import { isHole, isUndefined } from './contextText.ts';
import { Layout } from './evaluator.ts';
import { noteText } from './traces.ts';

/** Addresses under which Node.js is asked for modules while they are made again. */
export const moduleAddress = 'data:text/javascript,flick/';
/** The module that gives the others their values. */
export const valuesAddress = `${moduleAddress}values`;

/** Names of functions of a generated module, which exist before it runs. */
export const moduleNames = { evaluate: '$flickEval', meta: '$flickMeta' } as const;

type SourceRecord = Extract<ModuleRecord, { kind: 'source' }>;

/** The address under which a module is asked for. */
type Address = (module: number) => string;

/** A declared function of a module that is a variable of it. */
export interface Declared {
  readonly name: string;
  readonly record: FunctionRecord;
}

/** The text of a module that has begun: what it declares with its values, and whatever links it to others. */
export function moduleText(
  capsule: Capsule,
  tree: ScopeTree,
  record: SourceRecord,
  index: number,
  {
    declared,
    address,
    edits,
  }: {
    readonly declared: readonly Declared[];
    readonly address: Address;
    /** What must be changed in the text of a function. */
    readonly edits: (record: FunctionRecord) => readonly Edit[];
  },
): string {
  const layout = new Layout(tree.source, '');
  for (const { record: fn } of [...declared].sort((a, b) => a.record.start - b.record.start)) {
    layout.at(fn.start, applyEdits(tree.source, fn.start, fn.end, edits(fn))).add(';');
  }
  const take = (name: string): string => `$flickTake(${index}, ${JSON.stringify(name)})`;
  layout.add(` import { take as $flickTake } from ${JSON.stringify(valuesAddress)};`);
  layout.add(links(tree, record, address));
  layout.add(helpers(tree, index));
  layout.add(` const $flickModule = ${take('home')};`);
  const functions = new Set(declared.map(({ name }) => name));
  const { vars } = capsule.contexts[record.context] ?? { vars: {} };
  for (const [name, value] of Object.entries(vars)) {
    const binding = tree.root.bindings.get(name);
    if (isLinked(tree, name)) continue;
    if (functions.has(name)) layout.add(` ${name} = ${take(name)};`);
    else if (isHole(value)) layout.add(` let ${name};`);
    else {
      // When it has moved before, one that is still to be initialized is undefined.
      const isLeft = record.state === 'waits' && isUndefined(value);
      const isConstant = binding?.kind === 'const' && !isLeft;
      layout.add(` ${isConstant ? 'const' : 'let'} ${name} = ${take(name)};`);
    }
  }
  const own = localExports(tree).map(
    ([name, variable]) => `${variable} as ${JSON.stringify(name)}`,
  );
  layout.add(` export { ${own.join(', ')} };`);
  if (record.state === 'waits') layout.add(` await ${take('running')};`);
  return noteText(markUnit(record.script, layout.unit));
}

/** The text of a module that has not begun: its own, linked to what it asks for. */
export function untouchedText(
  tree: ScopeTree,
  record: SourceRecord,
  index: number,
  address: Address,
): string {
  const edits: Edit[] = [];
  for (const each of tree.root.node.type === 'Program' ? (tree.root.node.body as AnyNode[]) : []) {
    const source = sourceOf(each);
    if (source === undefined) continue;
    const attributes = attributesEnd(each, source);
    edits.push({ start: source.start, end: attributes, text: specifierOf(record, each, address) });
  }
  const { start, end } = tree.root.node;
  const layout = new Layout(tree.source, '').at(0, applyEdits(tree.source, start, end, edits));
  layout.add(`\nimport { take as $flickTake } from ${JSON.stringify(valuesAddress)};`);
  layout.add(helpers(tree, index));
  layout.add(` const $flickModule = $flickTake(${index}, "home");`);
  return noteText(markUnit(record.script, layout.unit));
}

function helpers(tree: ScopeTree, index: number): string {
  const evaluate = ` function ${moduleNames.evaluate}${index}($flickT) { return eval($flickT); }`;
  if (tree.metas.length === 0) return evaluate;
  return (
    `${evaluate} function ${moduleNames.meta}Of${index}() { return import.meta; }` +
    ` const ${metaName} = import.meta;`
  );
}

/** Variables that importing declares. */
function isLinked(tree: ScopeTree, name: string): boolean {
  const { node } = tree.root;
  return (node.type === 'Program' ? (node.body as AnyNode[]) : []).some(
    (each) =>
      each.type === 'ImportDeclaration' && each.specifiers.some(({ local }) => local.name === name),
  );
}

function sourceOf(node: AnyNode): { start: number; end: number; value?: unknown } | undefined {
  const links =
    node.type === 'ImportDeclaration' ||
    node.type === 'ExportAllDeclaration' ||
    node.type === 'ExportNamedDeclaration';
  return links ? (node.source ?? undefined) : undefined;
}

/** Where what is said of the kind of an import ends. */
function attributesEnd(node: AnyNode, source: { end: number }): number {
  const { attributes = [] } = node as { attributes?: readonly { end: number }[] };
  return attributes.length === 0 ? source.end : node.end;
}

/** The address of what an import asks for, as the text of its specifier. */
function specifierOf(record: SourceRecord, node: AnyNode, address: Address): string {
  const specifier = String(sourceOf(node)?.value);
  const { attributes = [] } = node as {
    attributes?: readonly {
      key: { type: string; name?: string; value?: unknown };
      value: { value?: unknown };
    }[];
  };
  const type = attributes.find(({ key }) => moduleName(key) === 'type')?.value.value ?? 'implicit';
  const found =
    record.requests.find(([name, kind]) => name === specifier && kind === type) ??
    record.requests.find(([name]) => name === specifier);
  return JSON.stringify(found === undefined ? `${moduleAddress}nothing` : address(found[2]));
}

/** What a module takes from others and hands on. */
function links(tree: ScopeTree, record: SourceRecord, address: Address): string {
  let text = '';
  const { node } = tree.root;
  for (const each of node.type === 'Program' ? (node.body as AnyNode[]) : []) {
    if (sourceOf(each) === undefined) continue;
    const from = specifierOf(record, each, address);
    if (each.type === 'ImportDeclaration') text += ` ${importText(each)}${from};`;
    else if (each.type === 'ExportAllDeclaration') {
      const name = each.exported == null ? '' : ` as ${JSON.stringify(moduleName(each.exported))}`;
      text += ` export *${name} from ${from};`;
    } else if (each.type === 'ExportNamedDeclaration') {
      const parts = each.specifiers.map(
        ({ local, exported }) =>
          `${JSON.stringify(moduleName(local))} as ${JSON.stringify(moduleName(exported))}`,
      );
      text += ` export { ${parts.join(', ')} } from ${from};`;
    }
  }
  return text;
}

function importText({ specifiers }: Extract<AnyNode, { type: 'ImportDeclaration' }>): string {
  if (specifiers.length === 0) return 'import ';
  const parts: string[] = [];
  let text = '';
  for (const each of specifiers) {
    if (each.type === 'ImportNamespaceSpecifier') text += `* as ${each.local.name}`;
    else {
      const name = each.type === 'ImportDefaultSpecifier' ? 'default' : moduleName(each.imported);
      parts.push(`${JSON.stringify(name)} as ${each.local.name}`);
    }
  }
  if (text === '') return `import { ${parts.join(', ')} } from `;
  // Only a default may stand beside a namespace.
  const [first] = specifiers;
  const both = first?.type === 'ImportDefaultSpecifier' ? `${first.local.name}, ` : '';
  return `import ${both}${text} from `;
}
