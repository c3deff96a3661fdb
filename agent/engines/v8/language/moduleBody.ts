import type { AnyNode } from 'acorn';
import type { Edit } from './edits.ts';
import { declaredNames, type FunctionNode } from './parse.ts';
import type { ScopeTree } from './scopes.ts';

/** The value of an `export default` that is an expression: it has no name in the program. */
export const defaultName = '$flickDefault';
/** As long as `import.meta`, for which it stands where that must not be written. */
export const metaName = '$flickMeta0';

/** The top level of a module seen as the asynchronous function that it is when it waits. */
export interface ModuleBody {
  readonly fn: FunctionNode;
  /** Takes away what only a module may say. */
  readonly edits: readonly Edit[];
}

const bodies = new WeakMap<ScopeTree, ModuleBody>();

/** @returns always the same for a tree */
export function moduleBody(tree: ScopeTree): ModuleBody {
  const known = bodies.get(tree);
  if (known !== undefined) return known;
  const made = makeBody(tree);
  bodies.set(tree, made);
  tree.scopeOf.set(made.fn, tree.root);
  return made;
}

function makeBody(tree: ScopeTree): ModuleBody {
  const { source } = tree;
  const program = tree.root.node as Extract<AnyNode, { type: 'Program' }>;
  const statements: AnyNode[] = [];
  const edits: Edit[] = [...metaEdits(tree, program.start, program.end)];
  const replace = (start: number, end: number, text: string): void => {
    const lines = source.slice(start, end).replace(/[^\n\r\u2028\u2029]/g, '');
    edits.push({ start, end, text: text + lines });
  };
  if (source.startsWith('#!')) replace(0, source.search(/[\n\r\u2028\u2029]|$/), '');
  for (const each of program.body as AnyNode[]) {
    if (each.type === 'ImportDeclaration' || each.type === 'ExportAllDeclaration') {
      replace(each.start, each.end, '');
    } else if (each.type === 'ExportNamedDeclaration') {
      if (each.declaration == null) replace(each.start, each.end, '');
      else {
        replace(each.start, each.declaration.start, '');
        statements.push(each.declaration);
      }
    } else if (each.type === 'ExportDefaultDeclaration') {
      const { declaration } = each;
      const isNamed =
        (declaration.type === 'FunctionDeclaration' || declaration.type === 'ClassDeclaration') &&
        declaration.id !== null;
      // A function without a name is there before anything runs.
      if (declaration.type === 'FunctionDeclaration' && !isNamed) replace(each.start, each.end, '');
      else if (isNamed) {
        replace(each.start, declaration.start, '');
        statements.push(declaration);
      } else {
        replace(each.start, declaration.start, `${defaultName} = (`);
        edits.push({ start: declaration.end, end: declaration.end, text: ')', closes: true });
        const statement = {
          type: 'ExpressionStatement',
          start: each.start,
          end: each.end,
          expression: declaration,
        };
        tree.parents.set(statement as AnyNode, program);
        tree.parents.set(declaration, statement as AnyNode);
        statements.push(statement as AnyNode);
      }
    } else statements.push(each);
  }
  const body = {
    type: 'BlockStatement',
    start: program.start - 1,
    end: program.end + 1,
    body: statements,
  };
  const fn = {
    type: 'ArrowFunctionExpression',
    start: program.start,
    end: program.end,
    id: null,
    params: [],
    async: true,
    generator: false,
    expression: false,
    body,
  } as unknown as FunctionNode;
  return { fn, edits };
}

/** `import.meta` must not stand in code that is evaluated: a variable of the same length stands in its place. */
export function metaEdits(tree: ScopeTree, start: number, end: number): Edit[] {
  return tree.metas
    .filter((node) => node.start >= start && node.end <= end)
    .map((node) => ({
      start: node.start,
      end: node.end,
      text: metaName + tree.source.slice(node.start, node.end).replace(/[^\n\r\u2028\u2029]/g, ''),
    }));
}

/** What a module offers of its own: the name outside and the variable. */
export function localExports(tree: ScopeTree): [name: string, variable: string][] {
  const found: [string, string][] = [];
  for (const each of (tree.root.node as Extract<AnyNode, { type: 'Program' }>).body as AnyNode[]) {
    if (each.type === 'ExportDefaultDeclaration') {
      const { declaration } = each;
      const isNamed =
        (declaration.type === 'FunctionDeclaration' || declaration.type === 'ClassDeclaration') &&
        declaration.id !== null;
      found.push(['default', isNamed ? declaration.id.name : defaultName]);
    } else if (each.type === 'ExportNamedDeclaration' && each.source == null) {
      if (each.declaration != null) {
        for (const name of declaredNames(each.declaration)) found.push([name, name]);
      }
      for (const { local, exported } of each.specifiers) {
        found.push([moduleName(exported), moduleName(local)]);
      }
    }
  }
  return found;
}

/** Names of exports may be strings. */
export function moduleName(node: { type: string; name?: string; value?: unknown }): string {
  return node.type === 'Identifier' ? (node.name ?? '') : String(node.value);
}
