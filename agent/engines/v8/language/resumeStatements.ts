import type { AnyNode } from 'acorn';
import { NotResumable } from './notResumable.ts';
import { patternNames } from './parse.ts';
import { patternObject, restNames } from './patternObject.ts';
import { enterRoot } from './resumeExpressions.ts';
import { names, type Plan } from './resumePlan.ts';

/** Enters the one of these statements on the way to the place where an activation stands; those before it have run. */
export function enterStatements(plan: Plan, statements: readonly AnyNode[], top: boolean): void {
  let passed = false;
  for (const each of statements) {
    if (plan.isOn(each)) {
      passed = true;
      enterStatement(plan, each, top);
    } else if (!passed) passStatement(plan, each, top);
    else if (top) leaveStatement(plan, each);
  }
}

/** A statement that has run already. */
function passStatement(plan: Plan, node: AnyNode, top: boolean): void {
  switch (node.type) {
    case 'EmptyStatement':
      return;
    case 'FunctionDeclaration':
      if (!top) throw new NotResumable('in a block that declares functions');
      return;
    case 'ClassDeclaration': {
      if (node.id === null) return;
      const binding = plan.bindingOf(node.id.name, around(plan, node));
      if (top && binding.captured) plan.blank(node);
      else {
        const value = plan.value(binding);
        plan.put(node.start, node.start, `let ${node.id.name} = ${names.flag} ? ${value} : `);
        plan.close(node.end, ';');
      }
      return;
    }
    case 'VariableDeclaration':
      if (node.kind === 'var') break;
      passDeclaration(plan, node, top);
      return;
    case 'ExpressionStatement':
      if (node.directive !== undefined) return;
      break;
    default:
  }
  plan.around(node, `if (!${names.flag}) {`, '}');
}

/** Where the variable of a class is: the class itself has another one of the same name. */
function around({ tree }: Plan, node: AnyNode): AnyNode {
  return tree.parents.get(node) ?? node;
}

function passDeclaration(
  plan: Plan,
  node: Extract<AnyNode, { type: 'VariableDeclaration' }>,
  top: boolean,
): void {
  const declared = node.declarations.flatMap(({ id }) => patternNames(id));
  const bindings = declared.map((name) => plan.bindingOf(name, node));
  if (top && bindings.every(({ captured }) => captured)) {
    plan.blank(node);
    return;
  }
  if (top && bindings.some(({ captured }) => captured)) {
    // Never run again: what no function shares is declared by its value, the rest is there.
    const rest = bindings.filter(({ captured }) => !captured);
    const text = rest.map((each) => `${each.name} = ${plan.value(each)}`).join(', ');
    plan.put(node.start, node.end, `let ${text};${plan.lines(node)}`);
    return;
  }
  for (const each of node.declarations) passDeclarator(plan, node, each);
}

function passDeclarator(
  plan: Plan,
  node: Extract<AnyNode, { type: 'VariableDeclaration' }>,
  { id, init, end }: Extract<AnyNode, { type: 'VariableDeclarator' }>,
): void {
  if (id.type === 'Identifier') {
    const value = plan.value(plan.bindingOf(id.name, node));
    if (init == null) plan.close(end, ` = ${names.flag} ? ${value} : undefined`);
    else {
      plan.put(init.start, init.start, `${names.flag} ? ${value} : (`);
      plan.close(end, ')');
    }
    return;
  }
  if (init == null) return;
  const values = patternNames(id).map((name) => [name, plan.value(plan.bindingOf(name, node))]);
  const rests = restsAgain(plan, node, id);
  if (rests !== '') {
    // A pattern without names is one more place for an expression.
    plan.close(end, `, {} = ${names.flag} ? (${rests}, 0) : 0`);
    changeable(plan, node);
  }
  // A pattern takes the values from an object of the same form.
  plan.put(
    init.start,
    init.start,
    `${names.flag} ? ${patternObject(id, new Map(values as [string, string][]))} : (`,
  );
  plan.close(end, ')');
}

/** Gives what a pattern has collected to its names again, instead of what it collects when it is entered; empty for none. */
function restsAgain(plan: Plan, declaration: AnyNode, pattern: AnyNode): string {
  const parts = restNames(pattern).map((name) => {
    const binding = plan.bindingOf(name, declaration);
    if (binding.kind === 'const' && binding.writes.length > 0) {
      throw new NotResumable(`behind a pattern whose constant '${name}' is assigned to`);
    }
    return `${name} = ${plan.value(binding)}`;
  });
  return parts.join(', ');
}

/** Constants of a declaration that nothing assigns to are variables where it is entered again. */
function changeable(
  plan: Plan,
  { kind, start }: Extract<AnyNode, { type: 'VariableDeclaration' }>,
): void {
  if (kind === 'const') plan.put(start, start + kind.length, 'let');
}

/** A statement at the top of the function that has not run. */
function leaveStatement(plan: Plan, node: AnyNode): void {
  if (node.type === 'ClassDeclaration' && node.id !== null) {
    if (plan.bindingOf(node.id.name, around(plan, node)).captured) {
      plan.around(node, `${node.id.name} = `, ';');
    }
    return;
  }
  if (node.type !== 'VariableDeclaration' || node.kind === 'var') return;
  shareDeclaration(plan, node);
}

/** A declaration of variables that closures share stands in the function's context: here it only gives values. */
function shareDeclaration(
  plan: Plan,
  node: Extract<AnyNode, { type: 'VariableDeclaration' }>,
): void {
  const declared = node.declarations.flatMap(({ id }) => patternNames(id));
  const bindings = declared.map((name) => plan.bindingOf(name, node));
  if (!bindings.some(({ captured }) => captured)) return;
  const rest = bindings.filter(({ captured }) => !captured).map(({ name }) => name);
  for (const name of rest) plan.own.set(name, '');
  const [first] = node.declarations;
  if (first !== undefined) plan.put(node.start, first.start, '');
  for (const { id, init, start, end } of node.declarations) {
    if (init == null) plan.close(end, ' = undefined');
    else if (id.type !== 'Identifier') {
      plan.put(start, start, '(');
      plan.close(end, ')');
    }
  }
}

function enterStatement(plan: Plan, node: AnyNode, top: boolean): void {
  const { flag } = names;
  switch (node.type) {
    case 'BlockStatement':
      return enterStatements(plan, node.body, false);
    case 'ExpressionStatement':
      // The line before may end without a semicolon; what is put here begins with a parenthesis.
      if (isListed(plan, node)) plan.put(node.start, node.start, ';');
      return enterRoot(plan, node.expression);
    case 'ReturnStatement':
    case 'ThrowStatement':
      if (node === plan.target && node.argument != null) {
        plan.isEntered = true;
        plan.root = node;
        const awaited = `(${flag} = false, ${names.state}.awaited)`;
        return plan.around(node.argument, `(${flag} ? ${awaited} : (`, '))');
      }
      if (node.argument != null) enterRoot(plan, node.argument);
      return;
    case 'VariableDeclaration':
      return enterDeclaration(plan, node, top);
    case 'LabeledStatement':
      return enterStatement(plan, node.body, false);
    case 'IfStatement':
      if (plan.isOn(node.test)) return enterRoot(plan, node.test);
      if (plan.isOn(node.consequent)) {
        plan.around(node.test, `${flag} || (`, ')');
        return enterStatement(plan, node.consequent, false);
      }
      plan.around(node.test, `!${flag} && (`, ')');
      if (node.alternate != null) enterStatement(plan, node.alternate, false);
      return;
    case 'WhileStatement':
      if (plan.isOn(node.test)) return enterRoot(plan, node.test);
      plan.around(node.test, `${flag} || (`, ')');
      return enterStatement(plan, node.body, false);
    case 'DoWhileStatement':
      if (plan.isOn(node.body)) return enterStatement(plan, node.body, false);
      plan.around(node.body, `{ if (!${flag}) `, ' }');
      return enterRoot(plan, node.test);
    case 'ForStatement':
      return enterFor(plan, node);
    case 'ForOfStatement':
      return enterForOf(plan, node);
    case 'TryStatement':
      return enterTry(plan, node);
    case 'SwitchStatement':
      return enterSwitch(plan, node);
    case 'ForInStatement':
      return enterForIn(plan, node);
    default:
      throw new NotResumable(`inside a statement that cannot be entered again (${node.type})`);
  }
}

function enterDeclaration(
  plan: Plan,
  node: Extract<AnyNode, { type: 'VariableDeclaration' }>,
  top: boolean,
): void {
  const isCaptured = (id: AnyNode): boolean =>
    patternNames(id).some((name) => plan.bindingOf(name, node).captured);
  const isShared = top && node.kind !== 'var' && node.declarations.some(({ id }) => isCaptured(id));
  for (const each of node.declarations) {
    if (plan.isOn(each)) {
      if (each.init != null) enterRoot(plan, each.init);
      break;
    }
    if (node.kind !== 'var') {
      if (isShared && (isCaptured(each.id) || restNames(each.id).length > 0))
        throw new NotResumable('in the middle of a declaration of several variables');
      passDeclarator(plan, node, each);
    } else throw new NotResumable('in the middle of a declaration of several variables');
  }
  if (top && node.kind !== 'var') shareDeclaration(plan, node);
}

function enterFor(plan: Plan, node: Extract<AnyNode, { type: 'ForStatement' }>): void {
  const { flag } = names;
  const { init, test, update, body } = node;
  if (init != null && plan.isOn(init)) {
    if (init.type === 'VariableDeclaration') return enterDeclaration(plan, init, false);
    return enterRoot(plan, init);
  }
  if (init?.type === 'VariableDeclaration' && init.kind !== 'var') {
    for (const each of init.declarations) passDeclarator(plan, init, each);
  } else if (init?.type === 'VariableDeclaration') {
    // Its `var` is taken away; the assignments are skipped.
    const [first] = init.declarations;
    if (first !== undefined) {
      plan.put(first.start, first.start, `${flag} ? 0 : (`);
      plan.close(init.end, ')');
    }
  } else if (init != null) plan.around(init, `${flag} ? 0 : (`, ')');
  if (test != null && plan.isOn(test)) return enterRoot(plan, test);
  if (test != null) plan.around(test, `${flag} || (`, ')');
  if (update != null && plan.isOn(update)) {
    plan.around(body, `{ if (!${flag}) `, ' }');
    return enterRoot(plan, update);
  }
  enterStatement(plan, body, false);
}

function enterForOf(plan: Plan, node: Extract<AnyNode, { type: 'ForOfStatement' }>): void {
  const { flag, state } = names;
  const { left, right, body } = node;
  if (plan.isOn(right)) return enterRoot(plan, right);
  plan.iterators.push(node);
  const key = String(node.start);
  if (node === plan.target) {
    plan.isEntered = true;
    plan.around(right, `${flag} ? (${flag} = false, ${state}.stepping(${key})) : (`, ')');
    return;
  }
  let current = 'undefined';
  if (left.type === 'VariableDeclaration' && left.kind !== 'var') {
    const [declarator] = left.declarations;
    const id = declarator?.id;
    if (id !== undefined) {
      const values = patternNames(id).map((name): [string, string] => [
        name,
        plan.value(plan.bindingOf(name, node)),
      ]);
      current = patternObject(id, new Map(values));
      const rests = restsAgain(plan, node, id);
      if (rests !== '') {
        plan.around(body, `{ if (${flag}) { ${rests}; } `, '}');
        changeable(plan, left);
      }
    }
  } else {
    const id = left.type === 'VariableDeclaration' ? left.declarations[0]?.id : left;
    if (id?.type !== 'Identifier') throw new NotResumable('inside a loop over a pattern');
    current = id.name;
  }
  plan.around(right, `${flag} ? ${state}.inside(${key}, ${current}) : (`, ')');
  enterStatement(plan, body, false);
}

function enterTry(plan: Plan, node: Extract<AnyNode, { type: 'TryStatement' }>): void {
  const { flag } = names;
  if (plan.isOn(node.block)) return enterStatement(plan, node.block, false);
  const { handler } = node;
  if (handler == null || !plan.isOn(handler)) return enterFinally(plan, node);
  let thrown = 'undefined';
  if (handler.param != null) {
    const values = patternNames(handler.param).map((name): [string, string] => {
      const binding = plan.bindingOf(name, handler);
      return [name, plan.value(binding)];
    });
    thrown = patternObject(handler.param, new Map(values));
    const rests = restsAgain(plan, handler, handler.param);
    const { start } = handler.body;
    if (rests !== '') plan.put(start + 1, start + 1, ` if (${flag}) { ${rests}; }`);
  }
  plan.put(node.block.start + 1, node.block.start + 1, ` if (${flag}) throw ${thrown};`);
  enterStatements(plan, handler.body.body, false);
}

/** A `finally` ends with what the `try` was left with, so the `try` is left with it again. */
function enterFinally(plan: Plan, node: Extract<AnyNode, { type: 'TryStatement' }>): void {
  const { flag, state } = names;
  const { block, handler, finalizer, start } = node;
  const completion = plan.view.completion?.(node) ?? 'throw';
  if (finalizer == null || plan.view.canKeep !== true) {
    throw new NotResumable('inside a finally block, whose outcome is not known');
  }
  const key = plan.keeps('finally', node);
  if (completion === 'normal') {
    plan.put(block.start + 1, block.start + 1, ` if (!${flag}) {`);
    plan.close(block.end - 1, '}');
  } else {
    if (completion === 'return' && plan.fn.async && plan.fn.generator)
      throw new NotResumable('inside a finally block after a return');
    const left = ` if (${flag}) ${completion} ${state}.kept(${key});`;
    plan.put(block.start + 1, block.start + 1, left);
    if (handler != null && completion === 'throw') {
      if (handler.param != null && handler.param.type !== 'Identifier')
        throw new NotResumable(`inside the finally block of the try at ${String(start)}`);
      const { start: from } = handler.body;
      const name = handler.param?.name;
      const value = name === undefined ? `${state}.kept(${key})` : name;
      plan.put(from + 1, from + 1, ` if (${flag}) throw ${value};`);
    }
  }
  enterStatement(plan, finalizer, false);
}

/** A stand-in for the object has the keys that are left, the current one first. */
function enterForIn(plan: Plan, node: Extract<AnyNode, { type: 'ForInStatement' }>): void {
  const { flag, state } = names;
  const { left, right, body } = node;
  if (plan.isOn(right)) return enterRoot(plan, right);
  if (plan.view.canKeep !== true) throw new NotResumable('inside for … in');
  const id = left.type === 'VariableDeclaration' ? left.declarations[0]?.id : left;
  if (id?.type !== 'Identifier') throw new NotResumable('inside a for … in over a pattern');
  plan.around(right, `(${flag} ? ${state}.keys(${plan.keeps('forIn', node)}) : (`, '))');
  if (left.type === 'VariableDeclaration' && left.kind !== 'var') {
    // The loop may have given it another value than the key.
    const value = plan.value(plan.bindingOf(id.name, node));
    if (left.kind === 'let') {
      plan.around(body, `{ if (${flag}) ${id.name} = ${value}; `, '}');
    }
  }
  enterStatement(plan, body, false);
}

function enterSwitch(plan: Plan, node: Extract<AnyNode, { type: 'SwitchStatement' }>): void {
  const { flag, state } = names;
  if (plan.isOn(node.discriminant)) return enterRoot(plan, node.discriminant);
  plan.around(node.discriminant, `${flag} ? ${state} : (`, ')');
  for (const each of node.cases) {
    const isOn = plan.isOn(each);
    if (each.test != null) {
      if (plan.isOn(each.test)) throw new NotResumable('inside the test of a case');
      plan.around(each.test, `${flag} ? ${isOn ? state : 'NaN'} : (`, ')');
    }
  }
  const [on] = node.cases.filter((each) => plan.isOn(each));
  const before = node.cases.slice(0, on === undefined ? 0 : node.cases.indexOf(on));
  const declares = before.some(({ consequent }) =>
    consequent.some((each) => each.type === 'VariableDeclaration' && each.kind !== 'var'),
  );
  if (declares) throw new NotResumable('inside a switch that declares variables in another case');
  if (on !== undefined) enterStatements(plan, on.consequent, false);
}

/** Whether a statement stands among others, and not right behind a head such as `if (…)`. */
function isListed(plan: Plan, node: AnyNode): boolean {
  const parent = plan.tree.parents.get(node)?.type;
  return (
    parent === 'BlockStatement' ||
    parent === 'SwitchCase' ||
    parent === 'Program' ||
    parent === 'StaticBlock'
  );
}
