import type { AnyNode } from 'acorn';
import type { Edit } from './edits.ts';
import { NotResumable } from './notResumable.ts';
import type { FunctionNode } from './parse.ts';
import { localKey } from './places.ts';
import type { Binding, ScopeTree } from './scopes.ts';
import { isStable, keptKey, within, type ActivationView } from './stable.ts';

/** The names that the generated code uses; no program that is carried has others that begin so. */
export const names = { flag: '$flickF', state: '$flickA' } as const;

/** A value that an activation holds under no name. */
export interface Kept {
  readonly key: string;
  /**
   * `value` of an expression; `part` of a template; `callee` the object of a method that is to be called, and under `key!` that method; `target` the
   * object of an assignment, and under `key!` what its property held; `shortcut` the object of one such as `??=`; `forIn`
   * what a loop goes over; `finally` what a `try` was left with.
   */
  readonly kind: 'value' | 'part' | 'callee' | 'target' | 'shortcut' | 'forIn' | 'finally';
  readonly node: AnyNode;
}

/** The edits that let a function go on at one of its places, and what they ask of the activation. */
export class Plan {
  readonly tree: ScopeTree;
  readonly fn: FunctionNode;
  readonly target: AnyNode;
  readonly view: ActivationView;
  readonly edits: Edit[] = [];
  readonly locals = new Set<string>();
  readonly own = new Map<string, string>();
  readonly iterators: AnyNode[] = [];
  readonly kept: Kept[] = [];
  /** The expression that the target is part of: variables written within it are not stable. */
  root: AnyNode;
  /** Whether the target was met on the way. */
  isEntered = false;
  readonly #path = new Set<AnyNode>();

  constructor(tree: ScopeTree, fn: FunctionNode, target: AnyNode, view: ActivationView) {
    this.tree = tree;
    this.fn = fn;
    this.target = target;
    this.view = view;
    this.root = target;
    for (let node: AnyNode | undefined = target; node !== undefined && node !== fn;) {
      this.#path.add(node);
      node = tree.parents.get(node);
    }
  }

  isOn(child: AnyNode | null | undefined): boolean {
    return child != null && this.#path.has(child);
  }

  put(start: number, end: number, text: string): void {
    this.edits.push({ start, end, text });
  }

  close(at: number, text: string): void {
    this.edits.push({ start: at, end: at, text, closes: true });
  }

  around(node: AnyNode, before: string, after: string): void {
    this.put(node.start, node.start, before);
    this.close(node.end, after);
  }

  /** The line ends of a piece of the source. */
  lines({ start, end }: { readonly start: number; readonly end: number }): string {
    return this.tree.source.slice(start, end).replace(/[^\n\r\u2028\u2029]/g, '');
  }

  /** Takes text away and leaves its lines. */
  blank(node: AnyNode): void {
    this.put(node.start, node.end, this.lines(node));
  }

  /** What gives a variable the value that it had. */
  value(binding: Binding): string {
    const key = localKey(binding);
    if (binding.captured) {
      const inHead = binding.writes.every((write) => {
        const { node } = binding.scope;
        return node.type === 'ForStatement' && node.update != null && within(write, node.update);
      });
      if (!inHead) {
        throw new NotResumable(
          `where '${binding.name}' of a block is changed and shared with functions`,
        );
      }
    }
    this.locals.add(key);
    return `${names.state}.v[${JSON.stringify(key)}]`;
  }

  bindingOf(name: string, declaration: AnyNode): Binding {
    for (let node: AnyNode | undefined = declaration; node !== undefined;) {
      const scope = node === this.fn ? undefined : this.tree.scopeOf.get(node);
      const found = scope?.bindings.get(name);
      if (found !== undefined) return found;
      if (node === this.fn) break;
      node = this.tree.parents.get(node);
    }
    for (const kind of ['function', 'parameters', 'program']) {
      const scope = this.tree.byKey.get(`${kind}:${this.fn.start}:${this.fn.end}`);
      const found = scope?.bindings.get(name);
      if (found !== undefined) return found;
    }
    throw new NotResumable(`near '${name}', whose scope is not known`);
  }

  /** Has an expression that was evaluated already evaluated again, or takes its value from the activation. */
  again(node: AnyNode, assignment?: AnyNode): void {
    if (this.isToBeKept(node, assignment)) this.keep(node);
  }

  keep(node: AnyNode, kind: 'value' | 'part' = 'value'): void {
    if (node.type === 'SpreadElement' || node.type === 'Super') throw this.refuse();
    const key = this.keeps(kind, node);
    this.around(node, `(${names.flag} ? ${names.state}.kept(${key}) : (`, '))');
  }

  /** The same for what is called. */
  againCallee(node: AnyNode): void {
    if (!this.isToBeKept(node)) return;
    if (node.type !== 'MemberExpression') {
      this.keep(node);
      return;
    }
    if (node.object.type === 'Super' || node.property.type === 'PrivateIdentifier')
      throw this.refuse();
    const key = this.keeps('callee', node);
    this.around(node.object, `(${names.flag} ? ${names.state}.callee(${key}) : (`, '))');
    if (node.computed) this.around(node.property, `(${names.flag} ? 0 : (`, '))');
  }

  /** @returns the key as text of the program */
  keeps(kind: Kept['kind'], node: AnyNode): string {
    const key = keptKey(node);
    this.kept.push({ key, kind, node });
    return JSON.stringify(key);
  }

  isToBeKept(node: AnyNode, assignment?: AnyNode): boolean {
    const { tree, view, root } = this;
    if (view.kept !== undefined) return view.kept.has(keptKey(node));
    if (isStable(node, { tree, view, root, assignment })) return false;
    if (view.canKeep !== true) throw this.refuse();
    return true;
  }

  refuse(node: AnyNode = this.root): NotResumable {
    return new NotResumable(`inside ${this.text(node)}`);
  }

  text(node: AnyNode): string {
    const text = this.tree.source.slice(node.start, node.end).replace(/\s+/g, ' ');
    return text.length > 60 ? `${text.slice(0, 59)}…` : text;
  }
}
