import type {
  ActivationRecord,
  Capsule,
  ContextRecord,
  FunctionRecord,
} from '../capsule/format.ts';
import { isClass, isFunction, type ClassNode, type FunctionNode } from '../language/parse.ts';
import { applyEdits, type Edit } from '../language/edits.ts';
import { wrapUnit, type ResumedState, type Unit } from '../language/origin.ts';
import { findTarget } from '../language/places.ts';
import { newTargetEdits, newTargetName } from '../language/receivers.ts';
import { planResumption, planStart, type Resumption } from '../language/resume.ts';
import { resumedText } from '../language/resumedText.ts';
import { evaluatedTree, readTree, scopeAround, type Trees } from '../language/readTree.ts';
import type { ScopeTree, Scope } from '../language/scopes.ts';
import type { ActivationView } from '../language/stable.ts';
import { metaEdits, moduleBody } from '../language/moduleBody.ts';
import type { MethodDefinition } from 'acorn';
import type { Modules } from './modules.ts';
import { RebuildError } from './rebuildError.ts';
import { classNames, editClass, methodKey, type ClassText } from './classText.ts';
import { contextText, isHole } from './contextText.ts';
import { Homes } from './homes.ts';
import { isMethod, nodeAt } from './functionNodes.ts';
import { homeNames, type Templates } from './templates.ts';
import { lineage, Owners } from './owners.ts';
import { sideBySide, Siblings, type Sibling } from './siblings.ts';
import { Layout, named, outermost, type Evaluator, type Origin } from './evaluator.ts';

export { RebuildError };

/** What code needs of the objects that are made beside it. */
export interface Objects {
  get(id: number): unknown;
  value(value: unknown): unknown;
  /** Tells that an object came into being as a part of another. */
  made(id: number, object: unknown): void;
  idOf(value: unknown): number;
}

interface LiveContext {
  /** @param text an expression that says what it was made of */
  readonly evaluate: (text: string) => unknown;
  readonly strict: boolean;
  /** The variable that holds what generated code needs. */
  readonly home: string;
  /** Gives its variables their values. */
  readonly settle: () => void;
}

type Setters = Record<string, (object: object, value: unknown) => void>;

interface LiveClass {
  readonly text: ClassText;
  readonly setters: Setters;
  /** @param quiet what the parents of quiet classes are made with */
  readonly setQuiet: (quiet: readonly unknown[] | undefined) => void;
  readonly evaluate: LiveContext['evaluate'] | undefined;
}

/** Makes the functions, classes and contexts of a capsule again. */
export class Code {
  readonly #capsule: Capsule;
  readonly #objects: Objects;
  readonly #read: Trees;
  readonly #trees: (ScopeTree | undefined)[] = [];
  readonly #contexts: (LiveContext | undefined)[] = [];
  readonly #factories = new Map<string, unknown>();
  readonly #classes = new Map<number, LiveClass>();
  readonly #owners: Owners;
  readonly #quiet: ReadonlySet<number>;
  readonly #templates: Templates;
  readonly #homes: Homes;
  readonly #modules: Modules;
  readonly #siblings: Siblings;

  /**
   * @param quiet ids of the classes of which instances with private members are made
   * @param read scripts that have been read already
   */
  constructor(
    capsule: Capsule,
    objects: Objects,
    quiet: ReadonlySet<number>,
    modules: Modules,
    read: Trees,
  ) {
    this.#capsule = capsule;
    this.#read = read;
    this.#modules = modules;
    this.#objects = objects;
    this.#homes = new Homes(objects);
    this.#templates = modules.templates;
    this.#owners = new Owners(capsule, objects, (record) => this.#nodeOf(record).node);
    this.#quiet = new Set([...quiet, ...this.#owners.quiet]);
    this.#siblings = new Siblings(capsule.objects);
  }

  tree(script: number): ScopeTree {
    const known = this.#trees[script];
    if (known !== undefined) return known;
    const { source, kind, inside } = this.#script(script);
    const around = inside && scopeAround(inside, (index) => this.tree(index));
    if (inside !== undefined && around === undefined)
      throw new RebuildError('evaluated code is not where its capsule says');
    const tree =
      around === undefined ? readTree(this.#read, source, kind) : evaluatedTree(source, around);
    this.#trees[script] = tree;
    return tree;
  }

  #script(index: number): Capsule['scripts'][number] {
    const script = this.#capsule.scripts[index];
    if (script === undefined) throw new RebuildError('the capsule lacks a script');
    return script;
  }

  #origin(index: number): Origin {
    const { url, source } = this.#script(index);
    return { index, url, source };
  }

  #nodeOf(record: FunctionRecord): { node: FunctionNode | ClassNode; tree: ScopeTree } {
    const tree = this.tree(record.script);
    const node = nodeAt(tree, record);
    if (node !== undefined) return { node, tree };
    throw new RebuildError('a function is not where its script says');
  }

  /** Makes a function or class; what came into being with it is told to the objects. */
  make(id: number, record: FunctionRecord): void {
    const { node, tree } = this.#nodeOf(record);
    if (isClass(node)) {
      this.#makeClass(id, record, node, tree);
      return;
    }
    const context = this.#context(record.context);
    if (context === undefined ? false : this.#isDeclared(record, node, tree)) return;
    const parent = tree.parents.get(node);
    const owner = this.#owners.methods.get(id);
    if (parent?.type === 'MethodDefinition' && owner !== undefined) {
      this.#objects.get(owner);
      return;
    }
    const privateOwner = this.#owners.privateMethods.get(id);
    if (privateOwner !== undefined && parent?.type === 'MethodDefinition') {
      if (parent.kind !== 'method') throw new RebuildError('a private accessor that is held');
      this.#objects.made(id, this.#privateMethod(privateOwner, parent));
      return;
    }
    if (!isMethod(record, node, parent)) {
      this.#makeBeside({ id, record });
      return;
    }
    const { source } = this.#script(record.script);
    const metas = [...this.#edits(record, record.context), ...newTargetEdits(node)];
    const whole = applyEdits(source, record.start, record.end, metas);
    const evaluate = this.#evaluator(record);
    const key =
      parent?.type === 'Property' || parent?.type === 'MethodDefinition' ? parent : undefined;
    if (key === undefined) throw new RebuildError('a method without a key');
    const body = key.computed
      ? applyEdits(source, record.start, record.end, [
          ...metas,
          { start: key.key.start, end: key.key.end, text: '"k"' },
        ])
      : whole;
    const literal = evaluate(this.#place(record, '({ ', body, ' })')) as object;
    const [name] = Reflect.ownKeys(literal);
    const descriptor = Reflect.getOwnPropertyDescriptor(literal, name ?? '');
    this.#objects.made(id, descriptor?.value ?? descriptor?.get ?? descriptor?.set);
    if (record.home !== undefined) this.#homes.standIn(literal, record.home);
  }

  /** Makes a function together with those like it: for V8 a long text is less work than many short ones. */
  #makeBeside(sibling: Sibling): void {
    const mates = this.#siblings.take(sibling).filter(({ id, record }) => {
      if (id === sibling.id) return true;
      const { node, tree } = this.#nodeOf(record);
      if (isClass(node) || isMethod(record, node, tree.parents.get(node))) return false;
      return record.context === 0 || !this.#isDeclared(record, node, tree);
    });
    const { script, context } = sibling.record;
    const { source } = this.#script(script);
    const evaluate = this.#evaluator(sibling.record);
    for (const list of sideBySide(mates)) {
      const layout = new Layout(source, '');
      list.forEach(({ record }, index) => {
        const { node } = this.#nodeOf(record);
        const edits = [...this.#edits(record, context), ...newTargetEdits(node)];
        const text = applyEdits(source, record.start, record.end, edits);
        layout.at(record.start, text, index === 0 ? '[' : ',');
      });
      const made = evaluate(layout.add(']').unit) as unknown[];
      list.forEach(({ id }, index) => this.#objects.made(id, made[index]));
    }
  }

  #privateMethod(owner: number, { static: isStatic, key }: MethodDefinition): unknown {
    const made = this.#objects.get(owner);
    const holder = isStatic
      ? made
      : this.instance(lineage(this.#capsule, this.#objects, owner), []);
    const text = `(($flickO) => $flickO.#${(key as { name: string }).name})`;
    const { script } = this.#capsule.objects[owner] as FunctionRecord;
    const unit = named({ text, pieces: [] }, this.#origin(script));
    const get = this.#classes.get(owner)?.evaluate?.(unit);
    return (get as (holder: unknown) => unknown)(holder);
  }

  /** To be called when all objects are there. */
  settleHomes(): void {
    this.#homes.settle();
  }

  #place(
    record: { script: number; start: number },
    before: string,
    text: Unit,
    after: string,
  ): Unit {
    const { source } = this.#script(record.script);
    return new Layout(source, '').at(record.start, text, before).add(after).unit;
  }

  /** A declaration whose name is a variable of its context stands in that context's own text. */
  #isDeclared(record: FunctionRecord, node: FunctionNode, tree: ScopeTree): boolean {
    if (node.type !== 'FunctionDeclaration' || node.id === null) return false;
    const scope = this.#scopeOf(record.context);
    const binding = scope?.bindings.get(node.id.name);
    void tree;
    return binding !== undefined && binding.captured && binding.declaration === node;
  }

  #scopeOf(context: number): Scope | undefined {
    const record = this.#capsule.contexts[context];
    if (record === undefined || context === 0) return undefined;
    return this.tree(record.script).byKey.get(record.scope.join(':'));
  }

  #evaluator(record: { context: number; script: number }): Evaluator {
    const context = this.#context(record.context);
    if (context !== undefined) return this.#in(context, this.#origin(record.script));
    const outer = outermost(this.#origin(record.script), this.#templates.home);
    const strict = this.tree(record.script).root.strict;
    return strict
      ? (unit) => outer(wrapUnit("(() => { 'use strict'; return (", unit, '\n); })()'))
      : outer;
  }

  #in(context: LiveContext, origin: Origin): Evaluator {
    return (unit) => context.evaluate(named(unit, origin));
  }

  /** The variable that holds what generated code needs, as it is seen in a context. */
  #homeOf(context: number): string {
    return this.#context(context)?.home ?? homeNames.outermost;
  }

  /** What must be changed in the text of a function wherever it stands. */
  #edits(record: { script: number; start: number; end: number }, context: number): Edit[] {
    const tree = this.tree(record.script);
    return [
      ...metaEdits(tree, record.start, record.end),
      ...this.#templates.edits(tree, record, this.#homeOf(context)),
    ];
  }

  /** The object that a tag is called with at a place of a script. */
  templateAt(script: number, start: number): object {
    const found = this.#templates.at(this.tree(script), script, start);
    if (found === undefined) throw new RebuildError('a template that is not where its script says');
    return found;
  }

  #context(index: number): LiveContext | undefined {
    if (index === 0) return undefined;
    const known = this.#contexts[index];
    if (known !== undefined) return known;
    const record = this.#capsule.contexts[index];
    if (record === undefined) throw new RebuildError('the capsule lacks a context');
    const module = this.#modules.ofContext(index);
    const made =
      module !== undefined
        ? this.#moduleContext(index, module)
        : record.scope[0] === 'class'
          ? this.#classContext(index)
          : this.#plainContext(index, record);
    this.#contexts[index] = made;
    return made;
  }

  #moduleContext(index: number, module: number): LiveContext {
    const evaluate = (text: string): unknown => this.#modules.evaluate(module, text);
    for (const { name, id } of this.declaredIn(index)) this.#objects.made(id, evaluate(name));
    return {
      strict: true,
      home: homeNames.module,
      evaluate,
      settle: () => undefined,
    };
  }

  /** Functions that are variables of a context because they are declared in it. */
  declaredIn(context: number): { name: string; id: number; record: FunctionRecord }[] {
    return (this.#owners.functions.get(context) ?? []).flatMap((id) => {
      const record = this.#capsule.objects[id] as FunctionRecord;
      const { node, tree } = this.#nodeOf(record);
      return !isClass(node) && this.#isDeclared(record, node, tree) && node.id != null
        ? [{ name: node.id.name, id, record }]
        : [];
    });
  }

  #classContext(index: number): LiveContext {
    const owner = this.#owners.classOfContext.get(index);
    if (owner === undefined) throw new RebuildError('a class that nothing refers to any more');
    this.#objects.get(owner);
    const there = this.#classes.get(owner)?.evaluate;
    if (there === undefined) throw new RebuildError('a class without a way into it');
    const home = this.#homeOf(this.#capsule.contexts[index]?.parent ?? 0);
    return { evaluate: there, strict: true, home, settle: () => undefined };
  }

  #plainContext(index: number, record: ContextRecord): LiveContext {
    const scope = this.#scopeOf(index);
    if (scope === undefined) throw new RebuildError('a scope is not where its script says');
    const { source } = this.#script(record.script);
    const origin = this.#origin(record.script);
    const parent = this.#context(record.parent);
    const declared = new Map<string, number>();
    for (const { name, id } of this.declaredIn(index)) declared.set(name, id);
    const factory = this.#factory(index, record, scope, declared, parent, source, origin);
    const self = this.#selfOf(record);
    const args = record.vars['arguments'];
    const argsValue =
      args === undefined ? undefined : (this.#objects.value(args) as ArrayLike<unknown>);
    const generator = Reflect.apply(
      factory,
      self,
      argsValue === undefined || !scope.strict ? [] : Array.from(argsValue),
    ) as Generator<unknown, unknown, unknown>;
    const functions = generator.next().value as Record<string, unknown>;
    for (const [name, id] of declared) this.#objects.made(id, functions[name]);
    return {
      strict: scope.strict,
      home: parent?.home ?? homeNames.outermost,
      evaluate: (text) => generator.next(text).value,
      settle: () => {
        const values: Record<string, unknown> = {};
        for (const [name, value] of Object.entries(record.vars))
          values[name] = this.#objects.value(value);
        if (record.target !== undefined) values[newTargetName] = this.#objects.value(record.target);
        generator.next(values);
      },
    };
  }

  /** `this` of a context, which arrow functions and blocks have from further out. */
  #selfOf(record: ContextRecord): unknown {
    for (let at: ContextRecord | undefined = record; at !== undefined;) {
      if (at.self !== undefined) return this.#objects.value(at.self);
      if (at.parent === 0) return undefined;
      at = this.#capsule.contexts[at.parent];
    }
    return undefined;
  }

  /** A generator function: each call of it is one context. Made once for each scope that it stands in. */
  #factory(
    index: number,
    record: ContextRecord,
    scope: Scope,
    declared: ReadonlyMap<string, number>,
    parent: LiveContext | undefined,
    source: string,
    origin: Origin,
  ): (...args: unknown[]) => unknown {
    const isRunning = this.#owners.running.has(index);
    const key = `${record.script} ${record.scope.join(':')} ${record.parent} ${JSON.stringify([record.home, record.target === undefined])} ${[...declared.keys()].join()} ${Object.entries(
      record.vars,
    )
      .map(([name, value]) => name + String(isHole(value)))
      .join()} ${isRunning}`;
    const known = this.#factories.get(key);
    if (known !== undefined) return known as (...args: unknown[]) => unknown;
    const text = contextText(source, record, scope, {
      strict: scope.strict && parent?.strict !== true,
      isRunning,
      declared: [...declared].map(([name, id]) => {
        const fn = this.#capsule.objects[id] as FunctionRecord;
        const edits = this.#edits(fn, record.parent);
        return { name, start: fn.start, text: applyEdits(source, fn.start, fn.end, edits) };
      }),
    });
    const evaluate =
      parent === undefined ? outermost(origin, this.#templates.home) : this.#in(parent, origin);
    const held = evaluate(text);
    if (record.home !== undefined) this.#homes.standIn(held as object, record.home);
    const made = (record.home === undefined ? held : (held as { m: unknown }).m) as (
      ...args: unknown[]
    ) => unknown;
    this.#factories.set(key, made);
    return made;
  }

  #makeClass(id: number, record: FunctionRecord, node: ClassNode, tree: ScopeTree): void {
    const { source } = this.#script(record.script);
    const ownContext = this.#owners.classOfContext.get(record.context) === id ? record.context : 0;
    const around =
      ownContext === 0 ? record.context : (this.#capsule.contexts[ownContext]?.parent ?? 0);
    const quiet = this.#quiet.has(id);
    const text = editClass(source, node, quiet, ownContext !== 0);
    const body = applyEdits(source, record.start, record.end, [
      ...text.edits,
      ...this.#edits(record, around),
    ]);
    const { hook, parent, quiet: flag, keys } = classNames;
    const head = `(function (${hook}, ${parent}, ${keys}) { let ${flag} = false; ${hook}.quiet = (v) => { ${flag} = v; }; return (`;
    const evaluate = this.#evaluator({ context: around, script: record.script });
    const layout = new Layout(source, head).at(record.start, body).add('); })');
    const make = evaluate(layout.unit) as (...args: unknown[]) => object;
    const fieldKeys = record.keys?.map((each) => this.#objects.value(each));
    let live: { setters: Setters; evaluate: LiveContext['evaluate'] } | undefined;
    const hookFunction = Object.assign(
      (made: object, evaluateInside: (text: string) => unknown, setters: Setters) => {
        live = { setters, evaluate: evaluateInside };
        this.#objects.made(id, made);
      },
      { quiet: (_value: readonly unknown[] | undefined): void => undefined },
    );
    const parentId = this.#objects.idOf(record.proto);
    const isNullHeir =
      node.superClass != null &&
      node.superClass.type === 'Literal' &&
      node.superClass.value === null;
    const made = make(hookFunction, isNullHeir ? null : this.#objects.get(parentId), fieldKeys);
    this.#objects.made(id, made);
    this.#classes.set(id, {
      text,
      setters: live?.setters ?? {},
      evaluate: live?.evaluate,
      setQuiet: hookFunction.quiet,
    });
    this.#methods(id, node, tree, made, text);
  }

  #methods(id: number, node: ClassNode, tree: ScopeTree, made: object, text: ClassText): void {
    const prototype = Reflect.get(made, 'prototype') as object;
    for (const [method, owner] of this.#owners.methods) {
      if (owner !== id) continue;
      const record = this.#capsule.objects[method] as FunctionRecord;
      const { node: fn } = this.#nodeOf(record);
      const member = tree.parents.get(fn);
      if (member?.type !== 'MethodDefinition' || tree.parents.get(member) !== node.body) continue;
      const key = methodKey(member, text.standIns);
      const holder = member.static ? made : prototype;
      const descriptor =
        key === undefined ? undefined : Reflect.getOwnPropertyDescriptor(holder, key);
      const found =
        member.kind === 'get'
          ? descriptor?.get
          : member.kind === 'set'
            ? descriptor?.set
            : (descriptor?.value as unknown);
      if (found === undefined)
        throw new RebuildError(`a method of the class ${node.id?.name ?? ''} cannot be found`);
      this.#objects.made(method, found);
    }
  }

  /**
   * Makes an instance that has the private members of its classes and nothing else.
   * @param args what a parent that is a class of Node.js is made with; what that gives the instance stays
   */
  instance(classIds: readonly number[], args?: readonly unknown[]): object {
    const [newest] = classIds;
    if (newest === undefined) throw new RebuildError('private members of an unknown class');
    for (const id of classIds) this.#objects.get(id);
    for (const id of classIds) this.#classes.get(id)?.setQuiet(args ?? []);
    try {
      const made = Reflect.construct(
        this.#objects.get(newest) as new () => object,
        args ?? [],
      ) as object;
      if (args !== undefined) return made;
      for (const key of Reflect.ownKeys(made)) Reflect.deleteProperty(made, key);
      return made;
    } finally {
      for (const id of classIds) this.#classes.get(id)?.setQuiet(undefined);
    }
  }

  /** Gives private fields their values. @param classIds the newest class first */
  setPrivates(
    object: object,
    classIds: readonly number[],
    values: readonly (readonly [string, unknown])[],
  ): void {
    const left = [...values];
    for (const id of [...classIds].reverse()) {
      const { text, setters } = this.#classes.get(id) ?? {};
      const isStatic = object === this.#objects.get(id);
      const fields = isStatic ? Object.keys(setters ?? {}) : (text?.fields ?? []);
      for (const name of fields) {
        const index = left.findIndex(([each]) => each === name);
        const [found] = index < 0 ? [] : left.splice(index, 1);
        if (found !== undefined) setters?.[name]?.(object, found[1]);
      }
    }
    if (left.length > 0)
      throw new RebuildError(`the private field ${left[0]?.[0] ?? ''} cannot be set`);
  }

  /** The function that goes on where an activation stands; to be called with its receiver. */
  body(
    record: ActivationRecord,
    state: { resumed?: ResumedState; readonly v: ResumedState['v'] },
  ): (...args: unknown[]) => unknown {
    const { script, node, tree, origin } = this.#suspended(record);
    const { source } = this.#script(script);
    const view: ActivationView = {
      isUnchanged: () => true,
      canKeep: true,
      kept: new Set(Object.keys(record.kept ?? {})),
      completion: (each) => record.completions?.[String(each.start)] ?? 'throw',
    };
    let plan: Resumption;
    if (record.state === 'start') plan = planStart(tree, node);
    else {
      const target = findTarget(node, record.at);
      if (target === undefined) throw new RebuildError('a suspended function has no such place');
      plan = planResumption(tree, node, target, view);
    }
    const { before, start, body, after } = resumedText(tree, node, plan, {
      state: record.state,
      edits: this.#templates.edits(
        tree,
        { script, start: node.start, end: node.end },
        this.#homeOf(record.context),
      ),
    });
    const evaluate = this.#evaluator({ context: record.context, script });
    const layout = new Layout(source, before).at(start, body).add(after);
    state.resumed = { origin, v: state.v };
    const make = evaluate(layout.unit) as (state: object) => (...args: unknown[]) => unknown;
    if (node.type === 'ArrowFunctionExpression') return make(state);
    const literal = make(state) as unknown as Record<string, (...args: unknown[]) => unknown>;
    const fn = this.#capsule.objects[this.#objects.idOf(record.fn)] as FunctionRecord | undefined;
    if (fn?.home !== undefined) this.#homes.standIn(literal, fn.home);
    const [made] = Object.values(literal);
    if (made === undefined) throw new RebuildError('a suspended function without a text');
    return made;
  }

  /** What an activation is one of: a function, or the top level of a module. */
  #suspended(record: ActivationRecord): {
    script: number;
    node: FunctionNode;
    tree: ScopeTree;
    origin: object;
  } {
    if (record.module !== undefined) {
      const script = record.module;
      const tree = this.tree(script);
      const { fn: node } = moduleBody(tree);
      const origin = this.#modules.origin(script);
      if (origin === undefined) throw new RebuildError('a suspended module that is not there');
      return { script, node, tree, origin };
    }
    const fn = this.#capsule.objects[this.#objects.idOf(record.fn)] as FunctionRecord;
    const { node, tree } = this.#nodeOf(fn);
    if (!isFunction(node)) throw new RebuildError('a suspended class');
    const origin = this.#objects.value(record.fn) as object;
    return { script: fn.script, node, tree, origin };
  }

  /** Makes all contexts, also those that only other contexts need. */
  makeContexts(): void {
    for (let index = 1; index < this.#capsule.contexts.length; index += 1) this.#context(index);
  }

  settleContexts(): void {
    for (const context of this.#contexts) context?.settle();
  }

  makeContext(index: number): void {
    this.#context(index);
  }
}
