import type { AnyNode } from 'acorn';
import type { Edit } from './edits.ts';
import type { ScopeTree } from './scopes.ts';

export type TaggedTemplate = Extract<AnyNode, { type: 'TaggedTemplateExpression' }>;

/** The texts between the values of a template, as `raw` of its template object has them. */
export function rawTexts({ quasi }: TaggedTemplate): string[] {
  return quasi.quasis.map(({ value }) => value.raw);
}

/**
 * Makes calls of tagged templates, with a given object in the place of the one that V8 would make: it makes one for each
 * place of a text that it compiles, and a place of the program stands in many texts when that is made again.
 * @param refer an expression that gives the object of a template
 */
export function templateEdits(
  tree: ScopeTree,
  start: number,
  end: number,
  refer: (template: TaggedTemplate) => string,
): Edit[] {
  const edits: Edit[] = [];
  const put = (from: number, to: number, text: string): void => {
    // Lines stay where they are.
    const lines = tree.source.slice(from, to).replace(/[^\n\r\u2028\u2029]/g, '');
    edits.push({ start: from, end: to, text: text + lines });
  };
  for (const each of tree.taggedTemplates) {
    if (each.start < start || each.end > end) continue;
    const { quasi } = each;
    let at = quasi.start;
    let opens = `(${refer(each)}`;
    for (const value of quasi.expressions) {
      put(at, value.start, `${opens}, (`);
      at = value.end;
      opens = ')';
    }
    put(at, quasi.end, `${opens})`);
    if (isMadeWith(tree, each)) {
      edits.push({ start: each.start, end: each.start, text: '(' });
      edits.push({ start: each.end, end: each.end, text: ')', closes: true });
    }
  }
  return edits;
}

/** Whether `new` would take the call for its own. */
function isMadeWith(tree: ScopeTree, template: TaggedTemplate): boolean {
  for (let node: AnyNode = template; ;) {
    const parent = tree.parents.get(node);
    if (parent?.type === 'NewExpression') return parent.callee === node;
    const isHead =
      (parent?.type === 'MemberExpression' && parent.object === node) ||
      (parent?.type === 'TaggedTemplateExpression' && parent.tag === node);
    if (!isHead) return false;
    node = parent;
  }
}
