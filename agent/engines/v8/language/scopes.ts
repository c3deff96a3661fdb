import type { AnyNode, Program } from 'acorn';
import type { TaggedTemplate } from './templateSites.ts';
import {
  childrenOf,
  hasUseStrict,
  isClass,
  isFunction,
  declaredNames,
  patternNames,
  type ClassNode,
  type FunctionNode,
  type ScriptKind,
} from './parse.ts';

export type BindingKind =
  | 'var'
  | 'let'
  | 'const'
  | 'parameter'
  | 'function'
  | 'class'
  | 'catch'
  | 'import'
  | 'self'
  | 'arguments';

export interface Binding {
  readonly name: string;
  readonly kind: BindingKind;
  readonly scope: Scope;
  /** Used by a function inside or by other modules: it lives in a context. */
  captured: boolean;
  /** Some code may name it. */
  isNamed?: boolean;
  /** Other modules share it: V8 keeps it in a cell of its own, not in the context of the module. */
  exported?: boolean;
  /** Assignments besides the one of its declaration. */
  writes: AnyNode[];
  /** The function or class that declares it. */
  readonly declaration?: AnyNode;
}

export type ScopeKind =
  'program' | 'parameters' | 'function' | 'block' | 'catch' | 'class' | 'members';

/** A scope of the source that can have a context while the program runs. */
export class Scope {
  readonly kind: ScopeKind;
  readonly node: AnyNode;
  readonly parent: Scope | undefined;
  /** The scope of the function that it belongs to, where `var` and `this` of that function are. */
  readonly owner: Scope;
  /** The outermost scope of its script. */
  readonly top: Scope;
  readonly strict: boolean;
  readonly isArrow: boolean;
  readonly bindings = new Map<string, Binding>();
  /** `this`, `super` or `new.target` of it is used by an arrow function inside. */
  sharesThis = false;
  /** Members of `super` are used in it: what they are looked up from is kept with the class or literal. */
  usesSuper = false;
  /** A class that has private names: its context holds them. */
  hasPrivateNames = false;

  constructor(
    kind: ScopeKind,
    node: AnyNode,
    parent: Scope | undefined,
    options: { strict: boolean; isFunction?: boolean; isArrow?: boolean },
  ) {
    this.top = kind === 'program' || parent === undefined ? this : parent.top;
    this.kind = kind;
    this.node = node;
    this.parent = parent;
    this.strict = options.strict;
    this.isArrow = options.isArrow ?? false;
    this.owner = options.isFunction === true || parent === undefined ? this : parent.owner;
  }

  /** Names that live in its context, sorted. */
  capturedNames(): string[] {
    return [...this.bindings.values()]
      .filter(({ captured, exported, kind }) => captured && exported !== true && kind !== 'import')
      .map(({ name }) => name)
      .sort();
  }

  get key(): string {
    return `${this.kind}:${this.node.start}:${this.node.end}`;
  }

  declare(name: string, kind: BindingKind, declaration?: AnyNode): Binding {
    const there = this.bindings.get(name);
    if (there !== undefined && !(there.kind === 'self' || there.kind === 'var')) return there;
    if (there?.kind === 'var' && kind === 'var') return there;
    const base = { name, kind, scope: this, captured: there?.captured ?? false, writes: [] };
    const binding: Binding = declaration === undefined ? base : { ...base, declaration };
    this.bindings.set(name, binding);
    return binding;
  }
}

/** What the function around a module is called with. */
const wrapperParameters: { readonly [K in ScriptKind]?: readonly string[] } = {
  commonjs: ['exports', 'require', 'module', '__filename', '__dirname'],
  core: ['exports', 'require', 'module', 'process', 'internalBinding', 'primordials'],
};

/** All scopes of a script, and what every identifier in it means. */
export class ScopeTree {
  readonly root: Scope;
  readonly byKey = new Map<string, Scope>();
  /** The scope that a node opens, innermost where it opens several (parameters and body). */
  readonly scopeOf = new Map<AnyNode, Scope>();
  /** The scope that functions and classes stand in. */
  readonly around = new Map<AnyNode, Scope>();
  readonly parents = new Map<AnyNode, AnyNode>();
  readonly references = new Map<AnyNode, Binding | undefined>();
  /** Functions by the offset of their parameters; classes without a constructor by their own. */
  readonly byPosition = new Map<number, FunctionNode | ClassNode>();
  /** Every `import.meta`. */
  readonly metas: AnyNode[] = [];
  readonly taggedTemplates: TaggedTemplate[] = [];
  /** Every call that may be a direct `eval`, with the scope that it stands in. */
  readonly evaluations: { readonly node: AnyNode; readonly scope: Scope }[] = [];
  readonly usesWith: boolean;
  #with = false;
  /** The whole script is the body of a function. */
  readonly #isWrapped: boolean;

  readonly source: string;

  /** @param around of the code of a direct `eval`: the scope that this stands in */
  constructor(source: string, program: Program, kind: ScriptKind, around?: Scope) {
    this.source = source;
    const strict = kind === 'module' || around?.strict === true || hasUseStrict(program.body);
    this.root = new Scope('program', program, around, { strict });
    for (const name of wrapperParameters[kind] ?? []) this.root.declare(name, 'parameter');
    this.#isWrapped = kind in wrapperParameters;
    this.#register(this.root);
    this.#hoist(program.body, this.root);
    this.#lexical(program.body, this.root);
    for (const each of program.body) this.#visit(each, this.root, program);
    this.#exports(program);
    this.usesWith = this.#with;
  }

  #exports({ body }: Program): void {
    for (const each of body) {
      if (each.type === 'ExportNamedDeclaration' && each.source == null) {
        for (const name of [
          ...(each.declaration == null ? [] : declaredNames(each.declaration)),
          ...each.specifiers.map(({ local }) => ('name' in local ? local.name : '')),
        ]) {
          this.#export(name);
        }
      } else if (each.type === 'ExportDefaultDeclaration' && 'id' in each.declaration) {
        const { declaration } = each;
        const isDeclared =
          declaration.type === 'FunctionDeclaration' || declaration.type === 'ClassDeclaration';
        if (isDeclared && declaration.id != null) this.#export(declaration.id.name);
      }
    }
  }

  #export(name: string): void {
    const binding = this.root.bindings.get(name);
    if (binding === undefined || binding.kind === 'import') return;
    binding.captured = true;
    binding.exported = true;
  }

  #register(scope: Scope): void {
    this.byKey.set(scope.key, scope);
    this.scopeOf.set(scope.node, scope);
  }

  /** `var` and functions of a function's body, however deep they stand in blocks. */
  #hoist(nodes: readonly AnyNode[], into: Scope): void {
    for (const node of nodes) {
      if (node.type === 'VariableDeclaration' && node.kind === 'var') {
        for (const { id } of node.declarations) {
          for (const name of patternNames(id)) into.declare(name, 'var');
        }
      }
      if (isFunction(node)) {
        // A function in a block of sloppy code is a variable of the function as well.
        if (node.type === 'FunctionDeclaration' && node.id !== null && !into.strict) {
          const there = into.bindings.get(node.id.name);
          if (there === undefined) into.declare(node.id.name, 'var');
        }
        continue;
      }
      if (isClass(node)) continue;
      this.#hoist(childrenOf(node), into);
    }
  }

  /** What statements of one block declare in it. */
  #lexical(statements: readonly AnyNode[], into: Scope): void {
    for (const each of statements) {
      const node =
        each.type === 'ExportNamedDeclaration' || each.type === 'ExportDefaultDeclaration'
          ? (each.declaration ?? each)
          : each;
      if (node.type === 'VariableDeclaration' && node.kind !== 'var') {
        for (const { id } of node.declarations) {
          for (const name of patternNames(id)) {
            into.declare(name, node.kind === 'let' ? 'let' : 'const');
          }
        }
      } else if (node.type === 'FunctionDeclaration' && node.id !== null) {
        into.bindings.delete(node.id.name);
        into.declare(node.id.name, 'function', node);
      } else if (node.type === 'ClassDeclaration' && node.id !== null) {
        into.declare(node.id.name, 'class', node);
      } else if (node.type === 'ImportDeclaration') {
        for (const { type, local } of node.specifiers) {
          // A namespace is a constant; everything else is a variable of another module.
          const isNamespace = type === 'ImportNamespaceSpecifier';
          into.declare(local.name, isNamespace ? 'const' : 'import').captured = !isNamespace;
        }
      }
    }
  }

  #visit(node: AnyNode, scope: Scope, parent: AnyNode): void {
    this.parents.set(node, parent);
    if (isFunction(node)) return this.#function(node, scope);
    if (isClass(node)) return this.#class(node, scope);
    if (node.type === 'TaggedTemplateExpression') this.taggedTemplates.push(node);
    switch (node.type) {
      case 'Identifier':
        this.#refer(node, node.name, scope);
        return;
      case 'ThisExpression':
      case 'Super':
      case 'MetaProperty':
        if (node.type === 'MetaProperty' && node.meta.name === 'import') this.metas.push(node);
        if (node.type !== 'MetaProperty' || node.meta.name === 'new') {
          this.#useThis(scope, node.type === 'Super' && parent.type === 'MemberExpression');
        }
        return;
      case 'MemberExpression':
        this.#visit(node.object, scope, node);
        if (node.computed) this.#visit(node.property, scope, node);
        return;
      case 'Property':
        if (node.computed) this.#visit(node.key, scope, node);
        this.#visit(node.value, scope, node);
        return;
      case 'LabeledStatement':
        this.#visit(node.body, scope, node);
        return;
      case 'BreakStatement':
      case 'ContinueStatement':
      case 'ImportDeclaration':
      case 'ExportAllDeclaration':
        return;
      case 'ExportNamedDeclaration':
        if (node.declaration != null) this.#visit(node.declaration, scope, node);
        else if (node.source == null) {
          for (const each of node.specifiers) this.#visit(each.local, scope, node);
        }
        return;
      case 'BlockStatement': {
        const inner = this.#block(node, node.body, scope);
        for (const each of node.body) this.#visit(each, inner, node);
        return;
      }
      case 'SwitchStatement': {
        this.#visit(node.discriminant, scope, node);
        const statements = node.cases.flatMap(({ consequent }) => consequent);
        const inner = this.#block(node, statements, scope);
        for (const each of node.cases) this.#visit(each, inner, node);
        return;
      }
      case 'ForStatement':
      case 'ForInStatement':
      case 'ForOfStatement': {
        const head = node.type === 'ForStatement' ? node.init : node.left;
        const inner = this.#block(node, head == null ? [] : [head], scope);
        if (node.type !== 'ForStatement' && node.left.type !== 'VariableDeclaration') {
          this.#written(node.left, scope, node);
        }
        for (const each of childrenOf(node)) this.#visit(each, inner, node);
        return;
      }
      case 'CatchClause': {
        const inner = new Scope('catch', node, scope, { strict: scope.strict });
        for (const name of patternNames(node.param)) inner.declare(name, 'catch');
        this.#register(inner);
        for (const each of childrenOf(node)) this.#visit(each, inner, node);
        return;
      }
      case 'AssignmentExpression':
        this.#written(node.left, scope, node);
        break;
      case 'UpdateExpression':
        this.#written(node.argument, scope, node);
        break;
      case 'VariableDeclaration':
        if (node.kind === 'var') {
          for (const { id, init } of node.declarations) {
            if (init != null) this.#written(id, scope, node);
          }
        }
        break;
      case 'WithStatement':
        this.#with = true;
        break;
      case 'CallExpression':
        if (node.callee.type === 'Identifier' && node.callee.name === 'eval')
          this.#evaluates(scope, node);
        break;
      default:
    }
    for (const each of childrenOf(node)) this.#visit(each, scope, node);
  }

  #block(node: AnyNode, statements: readonly AnyNode[], scope: Scope): Scope {
    const inner = new Scope('block', node, scope, { strict: scope.strict });
    this.#lexical(statements, inner);
    if (inner.bindings.size === 0) return scope;
    this.#register(inner);
    return inner;
  }

  #function(node: FunctionNode, around: Scope): void {
    this.around.set(node, around);
    this.#index(node);
    const statements = node.body.type === 'BlockStatement' ? node.body.body : [];
    const strict = around.strict || hasUseStrict(statements);
    const isArrow = node.type === 'ArrowFunctionExpression';
    const simple = node.params.every(({ type }) => type === 'Identifier');
    const parameters = new Scope(simple ? 'function' : 'parameters', node, around, {
      strict,
      isFunction: true,
      isArrow,
    });
    if (node.type === 'FunctionExpression' && node.id != null) {
      parameters.declare(node.id.name, 'self');
    }
    for (const param of node.params) {
      for (const name of patternNames(param)) parameters.declare(name, 'parameter');
    }
    this.#register(parameters);
    let body = parameters;
    if (!simple) {
      body = new Scope('function', node, parameters, { strict, isArrow });
      this.#register(body);
    }
    this.#hoist(statements, body);
    this.#lexical(statements, body);
    for (const param of node.params) this.#visit(param, parameters, node);
    if (node.body.type === 'BlockStatement') {
      this.parents.set(node.body, node);
      for (const each of statements) this.#visit(each, body, node.body);
    } else this.#visit(node.body, body, node);
  }

  #class(node: ClassNode, around: Scope): void {
    this.around.set(node, around);
    this.#index(node);
    const scope = new Scope('class', node, around, { strict: true });
    if (node.id != null) scope.declare(node.id.name, 'const');
    scope.hasPrivateNames = node.body.body.some(
      (member) => 'key' in member && member.key.type === 'PrivateIdentifier',
    );
    this.#register(scope);
    if (node.superClass != null) this.#visit(node.superClass, scope, node);
    this.parents.set(node.body, node);
    // All initializers of instances are one function to V8, and all static parts another.
    const initializers: [Scope[], Scope[]] = [[], []];
    for (const member of node.body.body) {
      this.parents.set(member, node.body);
      if (member.type === 'StaticBlock') {
        const members = new Scope('members', member, scope, { strict: true, isFunction: true });
        this.#register(members);
        initializers[1].push(members);
        // Within that function the variables of a block are its own.
        const inner = new Scope('block', member, members, { strict: true });
        this.#hoist(member.body, inner);
        this.#lexical(member.body, inner);
        this.#register(inner);
        for (const each of member.body) this.#visit(each, inner, member);
        continue;
      }
      if (member.computed) this.#visit(member.key, scope, member);
      if (member.type === 'MethodDefinition') this.#visit(member.value, scope, member);
      else if (member.value != null) {
        const inner = new Scope('members', member, scope, { strict: true, isFunction: true });
        this.#register(inner);
        initializers[member.static ? 1 : 0].push(inner);
        this.#visit(member.value, inner, member);
      }
    }
    for (const scopes of initializers) {
      const sharesThis = scopes.some((each) => each.sharesThis);
      for (const each of scopes) each.sharesThis = sharesThis;
    }
  }

  #index(node: FunctionNode | ClassNode): void {
    if (isClass(node)) {
      const maker = node.body.body.find(
        (member) => member.type === 'MethodDefinition' && member.kind === 'constructor',
      );
      const at = maker?.type === 'MethodDefinition' ? maker.value.start : node.start;
      this.byPosition.set(at, node);
      return;
    }
    const at = node.type === 'ArrowFunctionExpression' ? node.start : this.#parenthesis(node);
    if (!this.byPosition.has(at)) this.byPosition.set(at, node);
  }

  /** Where the parameters of a function begin. */
  #parenthesis(node: FunctionNode): number {
    const pattern = /\/\*[^]*?\*\/|\/\/[^\n\r\u2028\u2029]*|\(/g;
    pattern.lastIndex = node.id?.end ?? node.start;
    for (;;) {
      const match = pattern.exec(this.source);
      if (match === null) return node.start;
      if (match[0] === '(') return match.index;
    }
  }

  #refer(node: AnyNode, name: string, from: Scope): Binding | undefined {
    const binding = this.resolve(name, from);
    if (binding !== undefined && binding.scope.owner !== from.owner) {
      binding.captured = true;
      binding.isNamed = true;
    }
    this.references.set(node, binding);
    return binding;
  }

  /** What a name means in a scope; undefined for globals. */
  resolve(name: string, from: Scope): Binding | undefined {
    for (let scope: Scope | undefined = from; scope !== undefined; scope = scope.parent) {
      const binding = scope.bindings.get(name);
      if (binding !== undefined) return binding;
      const isOwner = scope.owner === scope;
      if (name === 'arguments' && isOwner && !scope.isArrow && scope.kind !== 'members') {
        if (scope.kind !== 'program') return scope.declare('arguments', 'arguments');
      }
    }
    return undefined;
  }

  #useThis(from: Scope, isSuper: boolean): void {
    let scope = from.owner;
    const crosses = scope.isArrow;
    while (scope.isArrow && scope.parent !== undefined) scope = scope.parent.owner;
    if (crosses) scope.sharesThis = true;
    if (isSuper) scope.usesSuper = true;
  }

  #written(target: AnyNode, scope: Scope, by: AnyNode): void {
    for (const name of patternNames(target)) this.resolve(name, scope)?.writes.push(by);
    // Members of patterns are no variables.
  }

  /**
   * `eval` may name whatever it sees. V8 also keeps the `arguments` of functions further out, which it does not see, and
   * those of a function that has ended and called it itself, which nobody can name any more.
   */
  #evaluates(from: Scope, node: AnyNode): void {
    this.evaluations.push({ node, scope: from });
    let seesArguments = from.owner.isArrow || canWait(from.owner.node);
    for (let scope: Scope | undefined = from; scope !== undefined; scope = scope.parent) {
      const isFunction = scope.kind === 'program' ? this.#isWrapped : scope.kind !== 'members';
      const isOwner = scope.owner === scope && !scope.isArrow && isFunction;
      if (isOwner && !scope.bindings.has('arguments')) scope.declare('arguments', 'arguments');
      for (const binding of scope.bindings.values()) {
        binding.captured = true;
        if (seesArguments || binding.kind !== 'arguments') binding.isNamed = true;
      }
      if (isOwner) seesArguments = false;
      scope.owner.sharesThis = true;
    }
  }
}

function canWait(node: AnyNode): boolean {
  return isFunction(node) && (node.async || node.generator);
}
