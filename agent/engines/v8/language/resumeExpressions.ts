import type { AnyNode } from 'acorn';
import { names, type Plan } from './resumePlan.ts';

/** Enters an expression that is no part of another. */
export function enterRoot(plan: Plan, node: AnyNode): void {
  plan.root = node;
  enterExpression(plan, node);
}

/** Enters an expression on the way to the place where an activation stands. */
export function enterExpression(plan: Plan, node: AnyNode): void {
  if (node === plan.target) return standAt(plan, node);
  const { flag } = names;
  switch (node.type) {
    case 'AwaitExpression':
    case 'YieldExpression':
    case 'UnaryExpression':
    case 'SpreadElement':
      if (node.type === 'YieldExpression' && node.argument == null) break;
      if (node.argument != null) return enterExpression(plan, node.argument);
      break;
    case 'ChainExpression':
    case 'ParenthesizedExpression':
      return enterExpression(plan, node.expression);
    case 'ImportExpression':
      return enterExpression(plan, node.source);
    case 'MemberExpression':
      if (plan.isOn(node.object)) return enterExpression(plan, node.object);
      plan.again(node.object);
      return enterExpression(plan, node.property);
    case 'CallExpression':
    case 'NewExpression':
      if (plan.isOn(node.callee)) return enterExpression(plan, node.callee);
      if (node.type === 'CallExpression') plan.againCallee(node.callee);
      else plan.again(node.callee);
      return enterList(plan, node.arguments);
    case 'TaggedTemplateExpression':
      if (plan.isOn(node.tag)) return enterExpression(plan, node.tag);
      plan.againCallee(node.tag);
      return enterList(plan, node.quasi.expressions);
    case 'TemplateLiteral':
      return enterTemplate(plan, node.expressions);
    case 'ArrayExpression':
      return enterList(plan, node.elements);
    case 'ObjectExpression':
      return enterObject(plan, node);
    case 'AssignmentExpression':
      return enterAssignment(plan, node);
    case 'BinaryExpression':
      if (plan.isOn(node.left)) return enterExpression(plan, node.left);
      plan.again(node.left);
      return enterExpression(plan, node.right);
    case 'LogicalExpression': {
      if (plan.isOn(node.left)) return enterExpression(plan, node.left);
      const guards = {
        '&&': `(${flag} || (`,
        '||': `(!${flag} && (`,
        '??': `(${flag} ? null : (`,
      };
      plan.around(node.left, guards[node.operator], '))');
      return enterExpression(plan, node.right);
    }
    case 'ConditionalExpression':
      if (plan.isOn(node.test)) return enterExpression(plan, node.test);
      if (plan.isOn(node.consequent)) {
        plan.around(node.test, `(${flag} || (`, '))');
        return enterExpression(plan, node.consequent);
      }
      plan.around(node.test, `(!${flag} && (`, '))');
      return enterExpression(plan, node.alternate);
    case 'SequenceExpression':
      for (const each of node.expressions) {
        if (plan.isOn(each)) return enterExpression(plan, each);
        plan.around(each, `(${flag} ? 0 : (`, '))');
      }
      return;
    default:
  }
  throw plan.refuse(node);
}

/** The place itself. */
function standAt(plan: Plan, node: AnyNode): void {
  const { flag, state } = names;
  plan.isEntered = true;
  if (node.type === 'AwaitExpression') {
    plan.around(node, `(${flag} ? (${flag} = false, await ${state}.awaited) : `, ')');
  } else if (node.type === 'YieldExpression' && node.delegate) {
    plan.iterators.push(node);
    plan.around(
      node,
      `(${flag} ? (${flag} = false, yield* ${state}.delegate(${node.start})) : `,
      ')',
    );
  } else {
    // An asynchronous generator may still wait for the value that it is to yield.
    const value = plan.fn.async ? ` ${state}.awaited` : '';
    plan.around(node, `(${flag} ? (${flag} = false, yield${value}) : `, ')');
  }
}

function enterList(plan: Plan, nodes: readonly (AnyNode | null)[]): void {
  for (const each of nodes) {
    if (each === null) continue;
    if (plan.isOn(each)) return enterExpression(plan, each);
    plan.again(each);
  }
}

/** What a template has put together is one text: either none of its values is asked for or all are. */
function enterTemplate(plan: Plan, nodes: readonly AnyNode[]): void {
  const on = nodes.findIndex((each) => plan.isOn(each));
  const before = nodes.slice(0, Math.max(on, 0));
  if (before.some((each) => plan.isToBeKept(each))) {
    for (const each of before) plan.keep(each, 'part');
  }
  const awaited = nodes[on];
  if (awaited !== undefined) enterExpression(plan, awaited);
}

function enterObject(plan: Plan, node: Extract<AnyNode, { type: 'ObjectExpression' }>): void {
  for (const each of node.properties) {
    if (plan.isOn(each)) {
      if (each.type === 'SpreadElement') return enterExpression(plan, each.argument);
      if (plan.isOn(each.key) && each.computed) return enterExpression(plan, each.key);
      if (each.computed) plan.again(each.key);
      return enterExpression(plan, each.value);
    }
    if (each.type === 'SpreadElement' || each.computed) {
      throw plan.refuse(node);
    }
    plan.again(each.value);
  }
}

function enterAssignment(
  plan: Plan,
  node: Extract<AnyNode, { type: 'AssignmentExpression' }>,
): void {
  const { left, right, operator } = node;
  if (!plan.isOn(right)) throw plan.refuse(node);
  if (left.type === 'MemberExpression') {
    if (operator === '=') {
      plan.again(left.object);
      if (left.computed) plan.again(left.property);
    } else enterCompound(plan, node, left);
  } else if (operator !== '=') {
    if (left.type !== 'Identifier') throw plan.refuse(node);
    plan.again(left, node);
  }
  enterExpression(plan, right);
}

/** What the property held has been read already: it is read from a stand-in for the object. */
function enterCompound(
  plan: Plan,
  node: Extract<AnyNode, { type: 'AssignmentExpression' }>,
  left: Extract<AnyNode, { type: 'MemberExpression' }>,
): void {
  const isOdd = left.object.type === 'Super' || left.property.type === 'PrivateIdentifier';
  if (isOdd || plan.view.canKeep !== true) throw plan.refuse(node);
  const isShortcut = ['&&=', '||=', '??='].includes(node.operator);
  const key = plan.keeps(isShortcut ? 'shortcut' : 'target', left);
  const operator = JSON.stringify(node.operator);
  plan.around(left.object, `(${names.flag} ? ${names.state}.target(${key}, ${operator}) : (`, '))');
  if (left.computed) plan.again(left.property);
}
