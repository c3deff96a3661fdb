import type { AnyNode } from 'acorn';
import { childrenOf, isFunction, patternNames, type FunctionNode } from './parse.ts';
import { isStable, within, type ActivationView } from './stable.ts';
import { localKey } from './places.ts';
import type { Edit } from './edits.ts';
import { NotResumable } from './notResumable.ts';
import { patternObject } from './patternObject.ts';
import type { Binding, Scope, ScopeTree } from './scopes.ts';

/** How an activation is made to stand again where it stood. */
export interface Resumption {
  readonly target: AnyNode;
  readonly edits: readonly Edit[];
  /** Variables of the function's own scope that no closure shares, by key. */
  readonly own: readonly (readonly [name: string, key: string])[];
  /** Keys of all variables whose values it asks for. */
  readonly locals: ReadonlySet<string>;
  /** Loops and delegations on the way, outermost first, by the offset under which their iterators are kept. */
  readonly iterators: readonly AnyNode[];
}

/** The names that the generated code uses; no program that is carried has others that begin so. */
export const names = { flag: '$flickF', state: '$flickA' } as const;

export function planResumption(
  tree: ScopeTree,
  fn: FunctionNode,
  target: AnyNode,
  view: ActivationView,
): Resumption {
  return new Planner(tree, fn, target, view).plan();
}

/** For a generator that has not begun. */
export function planStart(tree: ScopeTree, fn: FunctionNode): Resumption {
  return new Planner(tree, fn, fn.body, { isUnchanged: () => true }).planStart();
}

class Planner {
  readonly #tree: ScopeTree;
  readonly #fn: FunctionNode;
  readonly #target: AnyNode;
  readonly #view: ActivationView;
  readonly #path = new Set<AnyNode>();
  readonly #edits: Edit[] = [];
  readonly #locals = new Set<string>();
  readonly #own = new Map<string, string>();
  readonly #iterators: AnyNode[] = [];
  /** The expression that the target is part of: variables written within it are not stable. */
  #root: AnyNode;

  constructor(tree: ScopeTree, fn: FunctionNode, target: AnyNode, view: ActivationView) {
    this.#tree = tree;
    this.#fn = fn;
    this.#target = target;
    this.#view = view;
    this.#root = target;
    for (let node: AnyNode | undefined = target; node !== undefined && node !== fn;) {
      this.#path.add(node);
      node = tree.parents.get(node);
    }
  }

  plan(): Resumption {
    const { body } = this.#fn;
    this.#ownVariables();
    if (body.type === 'BlockStatement') this.#statements(body.body, true);
    else this.#expression(body);
    return this.#result();
  }

  planStart(): Resumption {
    this.#ownVariables();
    return this.#result();
  }

  #result(): Resumption {
    return {
      target: this.#target,
      edits: this.#edits,
      own: [...this.#own],
      locals: this.#locals,
      iterators: this.#iterators,
    };
  }

  #isOn(child: AnyNode | null | undefined): child is AnyNode {
    return child != null && this.#path.has(child);
  }

  #put(start: number, end: number, text: string): void {
    this.#edits.push({ start, end, text });
  }

  #close(at: number, text: string): void {
    this.#edits.push({ start: at, end: at, text, closes: true });
  }

  #around(node: AnyNode, before: string, after: string): void {
    this.#put(node.start, node.start, before);
    this.#close(node.end, after);
  }

  /** Parameters, `var` and functions at the top; `var` of shared variables becomes an assignment wherever it stands. */
  #ownVariables(): void {
    const scopes = new Set<Scope>();
    for (const kind of ['parameters', 'function', 'program']) {
      const scope = this.#tree.byKey.get(`${kind}:${this.#fn.start}:${this.#fn.end}`);
      if (scope !== undefined) scopes.add(scope);
    }
    for (const scope of scopes) {
      for (const binding of scope.bindings.values()) {
        if (binding.captured || binding.kind === 'arguments' || binding.kind === 'self') continue;
        if (['parameter', 'var', 'function'].includes(binding.kind)) {
          const key = localKey(binding);
          this.#own.set(binding.name, key);
          this.#locals.add(key);
        }
      }
    }
    const statements = this.#fn.body.type === 'BlockStatement' ? this.#fn.body.body : [];
    for (const each of statements) {
      if (each.type === 'FunctionDeclaration') this.#blank(each);
    }
    const visit = (node: AnyNode): void => {
      if (isFunction(node)) return;
      if (node.type === 'VariableDeclaration' && node.kind === 'var') this.#assignInstead(node);
      for (const child of childrenOf(node)) visit(child);
    };
    for (const each of statements) visit(each);
  }

  /** Takes text away and leaves its lines. */
  #blank(node: AnyNode): void {
    const source = this.#tree.source.slice(node.start, node.end);
    this.#put(node.start, node.end, source.replace(/[^\n\r\u2028\u2029]/g, ''));
  }

  /** A declaration of variables that are declared elsewhere. */
  #assignInstead(node: Extract<AnyNode, { type: 'VariableDeclaration' }>): void {
    const parent = this.#tree.parents.get(node);
    const isTarget = parent?.type === 'ForInStatement' || parent?.type === 'ForOfStatement';
    const [first] = node.declarations;
    if (first === undefined) return;
    this.#put(node.start, first.start, isTarget && parent.left === node ? '' : ';'.slice(1));
    for (const { id, init, start, end } of node.declarations) {
      if (init == null) {
        if (!(isTarget && parent.left === node)) this.#put(start, end, '0');
      } else if (id.type === 'ObjectPattern' || id.type === 'ArrayPattern') {
        this.#put(start, start, '(');
        this.#close(end, ')');
      }
    }
  }

  #value(binding: Binding): string {
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
    this.#locals.add(key);
    return `${names.state}.v[${JSON.stringify(key)}]`;
  }

  #bindingOf(name: string, declaration: AnyNode): Binding {
    for (let node: AnyNode | undefined = declaration; node !== undefined;) {
      const scope = node === this.#fn ? undefined : this.#tree.scopeOf.get(node);
      const found = scope?.bindings.get(name);
      if (found !== undefined) return found;
      if (node === this.#fn) break;
      node = this.#tree.parents.get(node);
    }
    for (const kind of ['function', 'parameters']) {
      const scope = this.#tree.byKey.get(`${kind}:${this.#fn.start}:${this.#fn.end}`);
      const found = scope?.bindings.get(name);
      if (found !== undefined) return found;
    }
    throw new NotResumable(`near '${name}', whose scope is not known`);
  }

  #statements(statements: readonly AnyNode[], top: boolean): void {
    let passed = false;
    for (const each of statements) {
      if (this.#path.has(each)) {
        passed = true;
        this.#statement(each, top);
      } else if (!passed) this.#before(each, top);
      else if (top) this.#after(each);
    }
  }

  /** A statement that has run already. */
  #before(node: AnyNode, top: boolean): void {
    switch (node.type) {
      case 'EmptyStatement':
        return;
      case 'FunctionDeclaration':
        if (!top) throw new NotResumable('in a block that declares functions');
        return;
      case 'ClassDeclaration': {
        if (node.id === null) return;
        const binding = this.#bindingOf(node.id.name, node);
        if (top && binding.captured) this.#blank(node);
        else {
          const value = this.#value(binding);
          this.#put(node.start, node.start, `let ${node.id.name} = ${names.flag} ? ${value} : `);
          this.#close(node.end, ';');
        }
        return;
      }
      case 'VariableDeclaration':
        if (node.kind === 'var') break;
        this.#declarationBefore(node, top);
        return;
      case 'ExpressionStatement':
        if (node.directive !== undefined) return;
        break;
      default:
    }
    this.#around(node, `if (!${names.flag}) {`, '}');
  }

  #declarationBefore(node: Extract<AnyNode, { type: 'VariableDeclaration' }>, top: boolean): void {
    const declared = node.declarations.flatMap(({ id }) => patternNames(id));
    const bindings = declared.map((name) => this.#bindingOf(name, node));
    if (top && bindings.every(({ captured }) => captured)) {
      this.#blank(node);
      return;
    }
    if (top && bindings.some(({ captured }) => captured)) {
      // Never run again: what no function shares is declared by its value, the rest is there.
      const rest = bindings.filter(({ captured }) => !captured);
      const text = rest.map((each) => `${each.name} = ${this.#value(each)}`).join(', ');
      const lines = this.#tree.source
        .slice(node.start, node.end)
        .replace(/[^\n\r\u2028\u2029]/g, '');
      this.#put(node.start, node.end, `let ${text};${lines}`);
      return;
    }
    for (const each of node.declarations) this.#declaratorBefore(node, each);
  }

  #declaratorBefore(
    node: Extract<AnyNode, { type: 'VariableDeclaration' }>,
    { id, init, end }: Extract<AnyNode, { type: 'VariableDeclarator' }>,
  ): void {
    if (id.type === 'Identifier') {
      const value = this.#value(this.#bindingOf(id.name, node));
      if (init == null) this.#close(end, ` = ${names.flag} ? ${value} : undefined`);
      else {
        this.#put(init.start, init.start, `${names.flag} ? ${value} : (`);
        this.#close(end, ')');
      }
      return;
    }
    if (init == null) return;
    const values = patternNames(id).map((name) => [name, this.#value(this.#bindingOf(name, node))]);
    // A pattern takes the values from an object of the same form.
    this.#put(
      init.start,
      init.start,
      `${names.flag} ? ${patternObject(id, new Map(values as [string, string][]))} : (`,
    );
    this.#close(end, ')');
  }

  /** A statement at the top of the function that has not run. */
  #after(node: AnyNode): void {
    if (node.type === 'ClassDeclaration' && node.id !== null) {
      if (this.#bindingOf(node.id.name, node).captured) {
        this.#around(node, `${node.id.name} = `, ';');
      }
      return;
    }
    if (node.type !== 'VariableDeclaration' || node.kind === 'var') return;
    this.#shared(node);
  }

  /** A declaration of variables that closures share stands in the function's context: here it only gives values. */
  #shared(node: Extract<AnyNode, { type: 'VariableDeclaration' }>): void {
    const declared = node.declarations.flatMap(({ id }) => patternNames(id));
    const bindings = declared.map((name) => this.#bindingOf(name, node));
    if (!bindings.some(({ captured }) => captured)) return;
    const rest = bindings.filter(({ captured }) => !captured).map(({ name }) => name);
    for (const name of rest) this.#own.set(name, '');
    const [first] = node.declarations;
    if (first !== undefined) this.#put(node.start, first.start, '');
    for (const { id, init, start, end } of node.declarations) {
      if (init == null) this.#close(end, ' = undefined');
      else if (id.type !== 'Identifier') {
        this.#put(start, start, '(');
        this.#close(end, ')');
      }
    }
  }

  #statement(node: AnyNode, top: boolean): void {
    const { flag } = names;
    switch (node.type) {
      case 'BlockStatement':
        return this.#statements(node.body, false);
      case 'ExpressionStatement':
        return this.#rootExpression(node.expression);
      case 'ReturnStatement':
      case 'ThrowStatement':
        if (node.argument != null) this.#rootExpression(node.argument);
        return;
      case 'VariableDeclaration':
        return this.#declarationOn(node, top);
      case 'LabeledStatement':
        return this.#statement(node.body, false);
      case 'IfStatement':
        if (this.#isOn(node.test)) return this.#rootExpression(node.test);
        if (this.#isOn(node.consequent)) {
          this.#around(node.test, `${flag} || (`, ')');
          return this.#statement(node.consequent, false);
        }
        this.#around(node.test, `!${flag} && (`, ')');
        if (node.alternate != null) this.#statement(node.alternate, false);
        return;
      case 'WhileStatement':
        if (this.#isOn(node.test)) return this.#rootExpression(node.test);
        this.#around(node.test, `${flag} || (`, ')');
        return this.#statement(node.body, false);
      case 'DoWhileStatement':
        if (this.#isOn(node.body)) return this.#statement(node.body, false);
        this.#around(node.body, `{ if (!${flag}) `, ' }');
        return this.#rootExpression(node.test);
      case 'ForStatement':
        return this.#for(node);
      case 'ForOfStatement':
        return this.#forOf(node);
      case 'TryStatement':
        return this.#try(node);
      case 'SwitchStatement':
        return this.#switch(node);
      case 'ForInStatement':
        throw new NotResumable('inside for … in');
      default:
        throw new NotResumable(`inside a statement that cannot be entered again (${node.type})`);
    }
  }

  #declarationOn(node: Extract<AnyNode, { type: 'VariableDeclaration' }>, top: boolean): void {
    for (const each of node.declarations) {
      if (this.#path.has(each)) {
        if (each.init != null) this.#rootExpression(each.init);
        break;
      }
      if (node.kind !== 'var') {
        const captured = patternNames(each.id).some((name) => this.#bindingOf(name, node).captured);
        if (top && captured)
          throw new NotResumable('in the middle of a declaration of several variables');
        this.#declaratorBefore(node, each);
      } else throw new NotResumable('in the middle of a declaration of several variables');
    }
    if (top && node.kind !== 'var') this.#shared(node);
  }

  #for(node: Extract<AnyNode, { type: 'ForStatement' }>): void {
    const { flag } = names;
    const { init, test, update, body } = node;
    if (init != null && this.#path.has(init)) {
      if (init.type === 'VariableDeclaration') return this.#declarationOn(init, false);
      return this.#rootExpression(init);
    }
    if (init?.type === 'VariableDeclaration' && init.kind !== 'var') {
      for (const each of init.declarations) this.#declaratorBefore(init, each);
    } else if (init?.type === 'VariableDeclaration') {
      // Its `var` is taken away; the assignments are skipped.
      const [first] = init.declarations;
      if (first !== undefined) {
        this.#put(first.start, first.start, `${flag} ? 0 : (`);
        this.#close(init.end, ')');
      }
    } else if (init != null) this.#around(init, `${flag} ? 0 : (`, ')');
    if (test != null && this.#path.has(test)) return this.#rootExpression(test);
    if (test != null) this.#around(test, `${flag} || (`, ')');
    if (update != null && this.#path.has(update)) {
      this.#around(body, `{ if (!${flag}) `, ' }');
      return this.#rootExpression(update);
    }
    this.#statement(body, false);
  }

  #forOf(node: Extract<AnyNode, { type: 'ForOfStatement' }>): void {
    const { flag, state } = names;
    const { left, right, body } = node;
    if (this.#path.has(right)) return this.#rootExpression(right);
    this.#iterators.push(node);
    const key = String(node.start);
    if (node === this.#target) {
      this.#around(right, `${flag} ? (${flag} = false, ${state}.stepping(${key})) : (`, ')');
      return;
    }
    let current = 'undefined';
    if (left.type === 'VariableDeclaration' && left.kind !== 'var') {
      const [declarator] = left.declarations;
      const id = declarator?.id;
      if (id !== undefined) {
        const values = patternNames(id).map((name): [string, string] => [
          name,
          this.#value(this.#bindingOf(name, node)),
        ]);
        current = patternObject(id, new Map(values));
      }
    } else {
      const id = left.type === 'VariableDeclaration' ? left.declarations[0]?.id : left;
      if (id?.type !== 'Identifier') throw new NotResumable('inside a loop over a pattern');
      current = id.name;
    }
    this.#around(right, `${flag} ? ${state}.inside(${key}, ${current}) : (`, ')');
    this.#statement(body, false);
  }

  #try(node: Extract<AnyNode, { type: 'TryStatement' }>): void {
    const { flag } = names;
    if (this.#path.has(node.block)) return this.#statement(node.block, false);
    const { handler } = node;
    if (handler == null || !this.#path.has(handler)) {
      throw new NotResumable('inside a finally block, whose outcome is not known');
    }
    let thrown = 'undefined';
    if (handler.param != null) {
      const values = patternNames(handler.param).map((name): [string, string] => {
        const binding = this.#bindingOf(name, handler);
        return [name, this.#value(binding)];
      });
      thrown = patternObject(handler.param, new Map(values));
    }
    this.#put(node.block.start + 1, node.block.start + 1, ` if (${flag}) throw ${thrown};`);
    this.#statements(handler.body.body, false);
  }

  #switch(node: Extract<AnyNode, { type: 'SwitchStatement' }>): void {
    const { flag, state } = names;
    if (this.#path.has(node.discriminant)) return this.#rootExpression(node.discriminant);
    this.#around(node.discriminant, `${flag} ? ${state} : (`, ')');
    for (const each of node.cases) {
      const isOn = this.#path.has(each);
      if (each.test != null) {
        if (this.#path.has(each.test)) throw new NotResumable('inside the test of a case');
        this.#around(each.test, `${flag} ? ${isOn ? state : 'NaN'} : (`, ')');
      }
    }
    const [on] = node.cases.filter((each) => this.#path.has(each));
    const before = node.cases.slice(0, on === undefined ? 0 : node.cases.indexOf(on));
    const declares = before.some(({ consequent }) =>
      consequent.some((each) => each.type === 'VariableDeclaration' && each.kind !== 'var'),
    );
    if (declares) throw new NotResumable('inside a switch that declares variables in another case');
    if (on !== undefined) this.#statements(on.consequent, false);
  }

  #rootExpression(node: AnyNode): void {
    this.#root = node;
    this.#expression(node);
  }

  #expression(node: AnyNode): void {
    if (node === this.#target) return this.#wait(node);
    const { flag } = names;
    switch (node.type) {
      case 'AwaitExpression':
      case 'YieldExpression':
      case 'UnaryExpression':
      case 'SpreadElement':
        if (node.type === 'YieldExpression' && node.argument == null) break;
        if (node.argument != null) return this.#expression(node.argument);
        break;
      case 'ChainExpression':
      case 'ParenthesizedExpression':
        return this.#expression(node.expression);
      case 'ImportExpression':
        return this.#expression(node.source);
      case 'MemberExpression':
        if (this.#isOn(node.object)) return this.#expression(node.object);
        this.#stable(node.object);
        return this.#expression(node.property);
      case 'CallExpression':
      case 'NewExpression': {
        if (this.#isOn(node.callee)) return this.#expression(node.callee);
        this.#stable(node.callee);
        return this.#list(node.arguments);
      }
      case 'TaggedTemplateExpression':
        this.#stable(node.tag);
        return this.#list(node.quasi.expressions);
      case 'TemplateLiteral':
        return this.#list(node.expressions);
      case 'ArrayExpression':
        return this.#list(node.elements);
      case 'ObjectExpression':
        return this.#object(node);
      case 'AssignmentExpression':
        return this.#assignment(node);
      case 'BinaryExpression':
        if (this.#isOn(node.left)) return this.#expression(node.left);
        this.#stable(node.left);
        return this.#expression(node.right);
      case 'LogicalExpression': {
        if (this.#isOn(node.left)) return this.#expression(node.left);
        const guards = {
          '&&': `(${flag} || (`,
          '||': `(!${flag} && (`,
          '??': `(${flag} ? null : (`,
        };
        this.#around(node.left, guards[node.operator], '))');
        return this.#expression(node.right);
      }
      case 'ConditionalExpression':
        if (this.#isOn(node.test)) return this.#expression(node.test);
        if (this.#isOn(node.consequent)) {
          this.#around(node.test, `(${flag} || (`, '))');
          return this.#expression(node.consequent);
        }
        this.#around(node.test, `(!${flag} && (`, '))');
        return this.#expression(node.alternate);
      case 'SequenceExpression':
        for (const each of node.expressions) {
          if (this.#isOn(each)) return this.#expression(each);
          this.#around(each, `(${flag} ? 0 : (`, '))');
        }
        return;
      default:
    }
    throw new NotResumable(`inside ${this.#text(node)}`);
  }

  #wait(node: AnyNode): void {
    const { flag, state } = names;
    if (node.type === 'AwaitExpression') {
      this.#around(node, `(${flag} ? (${flag} = false, await ${state}.awaited) : `, ')');
    } else if (node.type === 'YieldExpression' && node.delegate) {
      this.#iterators.push(node);
      this.#around(
        node,
        `(${flag} ? (${flag} = false, yield* ${state}.delegate(${node.start})) : `,
        ')',
      );
    } else this.#around(node, `(${flag} ? (${flag} = false, yield) : `, ')');
  }

  #list(nodes: readonly (AnyNode | null)[]): void {
    for (const each of nodes) {
      if (each === null) continue;
      if (this.#path.has(each)) return this.#expression(each);
      this.#stable(each);
    }
  }

  #object(node: Extract<AnyNode, { type: 'ObjectExpression' }>): void {
    for (const each of node.properties) {
      if (this.#path.has(each)) {
        if (each.type === 'SpreadElement') return this.#expression(each.argument);
        if (this.#path.has(each.key) && each.computed) return this.#expression(each.key);
        if (each.computed) this.#stable(each.key);
        return this.#expression(each.value);
      }
      if (each.type === 'SpreadElement' || each.computed) {
        throw new NotResumable(`inside ${this.#text(node)}`);
      }
      this.#stable(each.value);
    }
  }

  #assignment(node: Extract<AnyNode, { type: 'AssignmentExpression' }>): void {
    const { left, right, operator } = node;
    if (!this.#path.has(right)) throw new NotResumable(`inside ${this.#text(node)}`);
    if (left.type === 'MemberExpression') {
      this.#stable(left.object);
      if (left.computed) this.#stable(left.property);
      // The value on the left has been read, and is kept nowhere that is seen.
      if (operator !== '=') throw new NotResumable(`inside ${this.#text(node)}`);
    } else if (operator !== '=') {
      if (left.type !== 'Identifier') throw new NotResumable(`inside ${this.#text(node)}`);
      this.#stable(left, node);
    }
    this.#expression(right);
  }

  /** @throws {NotResumable} when evaluating it again could give something else than it gave */
  #stable(node: AnyNode, assignment?: AnyNode): void {
    if (!isStable(node, { tree: this.#tree, view: this.#view, root: this.#root, assignment }))
      throw new NotResumable(`inside ${this.#text(this.#root)}`);
  }

  #text(node: AnyNode): string {
    const text = this.#tree.source.slice(node.start, node.end).replace(/\s+/g, ' ');
    return text.length > 60 ? `${text.slice(0, 59)}…` : text;
  }
}
