import type { AnyNode } from 'acorn';
import { applyEdits, type Edit } from '../language/edits.ts';
import { walk, type FunctionNode } from '../language/parse.ts';
import { metaName } from '../language/moduleBody.ts';
import type { ResumedText } from '../language/resumedText.ts';
import { names } from '../language/resumePlan.ts';
import type { ScopeTree } from '../language/scopes.ts';
import { within } from '../language/stable.ts';

/** A function as it was compiled: the text that it stands in, and its node there. */
export interface Compiled {
  readonly source: string;
  readonly node: FunctionNode;
  readonly strict: boolean;
  readonly isMethod: boolean;
  /** What must be changed in it wherever it stands. */
  readonly edits: readonly Edit[];
}

const { state } = names;

/** The text that goes on where an activation stands, to be run alone: of its state, and of what stands for every other name. */
export function wrapped(tree: ScopeTree, fn: FunctionNode, resumed: ResumedText): string {
  const { before, body, after } = resumed;
  const free = freeNames(tree, fn);
  const values = free.map(() => '$flickP').join(', ');
  const inner = `(function (${free.join(', ')}) { return ${before}${body.text}${after}; })(${values})`;
  const text = `((${state}, $flickP) => ${inner}(${state}))`;
  return alone(text, fn, tree.scopeOf.get(fn)?.strict === true);
}

/** Names whose variables the text does not declare: those around the function, and those that it shares with closures. */
function freeNames(tree: ScopeTree, fn: FunctionNode): string[] {
  const free = new Set<string>();
  walk(fn, (node) => {
    if (node.type !== 'Identifier' || !tree.references.has(node)) return undefined;
    const binding = tree.references.get(node);
    const scope = binding?.scope;
    const isOutside = scope === undefined || !within(scope.node, fn);
    const isShared = scope?.node === fn && binding?.captured === true;
    if (isOutside || isShared) free.add(node.name);
    return undefined;
  });
  for (const name of ['arguments', 'eval', 'undefined']) free.delete(name);
  return [...free, metaName];
}

/** The text of a function as it is, but for a first statement that stops it with an object that can be told. */
export function markedText(compiled: Compiled): string {
  const { source, node, strict, isMethod } = compiled;
  const wait = node.async ? `await ${state}.gate` : 'yield';
  const mark = `${state}.mark(${state}.sentinel, ${wait})`;
  const edits = [...compiled.edits];
  const { body } = node;
  if (body.type === 'BlockStatement') {
    const directives = body.body.filter(
      (each) => each.type === 'ExpressionStatement' && each.directive !== undefined,
    );
    const at = directives.at(-1)?.end ?? body.start + 1;
    edits.push({ start: at, end: at, text: `;${mark};` });
  } else {
    edits.push({ start: body.start, end: body.start, text: `(${mark}, ` });
    edits.push({ start: body.end, end: body.end, text: ')', closes: true });
  }
  // The name of a declaration is no variable of the function's own.
  if (node.type === 'FunctionDeclaration' && node.id !== null)
    edits.push({ start: node.id.start, end: node.id.end, text: '' });
  const { text } = applyEdits(source, node.start, node.end, edits);
  const whole = isMethod
    ? `({ ${node.async ? 'async ' : ''}${node.generator ? '*' : ''}m${text} })`
    : `(${text})`;
  return alone(`((${state}) => ${whole})`, node, strict);
}

/** Gives a text what it may name: private members, `super`, `arguments`. */
function alone(text: string, node: AnyNode, strict: boolean): string {
  const privates = new Set<string>();
  walk(node, (each) => {
    if (each.type === 'PrivateIdentifier') privates.add(each.name);
    return undefined;
  });
  if (privates.size > 0) {
    const members = [...privates].map((name) => `#${name};`).join(' ');
    return `(class extends Object { ${members} static m() { return ${text}; } }).m()`;
  }
  return `({ m() { ${strict ? "'use strict'; " : ''}return ${text}; } }).m()`;
}
