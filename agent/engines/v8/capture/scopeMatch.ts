import type { Scope } from '../language/scopes.ts';

/** What V8 shows of a context. */
export interface ContextShape {
  /** Variables of the program, sorted. */
  readonly names: readonly string[];
  /** Names of private members, of which only the scope of a class has any. */
  readonly privates: readonly string[];
  /** Whether a function made it, and no block or class; unknown for what a rebuild made. */
  readonly isFunction: boolean | undefined;
  /** Whether `arguments` may be one of its variables without being named. */
  readonly mayHaveArguments: boolean;
  /** Whether it may be that of a module of Node.js which a rebuild made: it has only what is needed of that. */
  readonly mayBePart: boolean;
}

const functionKinds: readonly string[] = ['program', 'parameters', 'function', 'members'];

/**
 * Which scope each context of a chain is an instance of. V8 makes a context for exactly the scopes that share
 * variables with functions inside of them; so the variables of the contexts must be those that the source says are
 * shared. Where V8 shares more than that, the contexts still have to fit in one way only.
 * @param chain the innermost context first
 * @param innermost the scope that what has these contexts stands in
 * @param until the first scope that has none of these contexts any more
 * @returns undefined when they do not fit, or in more than one way
 */
export function matchScopes(
  chain: readonly ContextShape[],
  innermost: Scope | undefined,
  until?: Scope,
): Scope[] | undefined {
  const scopes: Scope[] = [];
  for (let scope = innermost; scope !== undefined && scope !== until; scope = scope.parent)
    scopes.push(scope);
  const [exact] = embeddings(chain, scopes, isExact, 1);
  if (exact !== undefined) return exact;
  const loose = embeddings(chain, scopes, isPossible, 2);
  return loose.length === 1 ? loose[0] : undefined;
}

/** The ways in which the contexts can be instances of these scopes, in their order; at most so many. */
function embeddings(
  chain: readonly ContextShape[],
  scopes: readonly Scope[],
  fits: (shape: ContextShape, scope: Scope) => boolean,
  limit: number,
): Scope[][] {
  const found: Scope[][] = [];
  const taken: Scope[] = [];
  const search = (from: number): void => {
    const shape = chain[taken.length];
    if (shape === undefined) {
      if (scopes.slice(from).every((scope) => scope.capturedNames().length === 0))
        found.push([...taken]);
      return;
    }
    for (let index = from; index < scopes.length && found.length < limit; index += 1) {
      const scope = scopes[index];
      if (scope === undefined) return;
      if (fits(shape, scope)) {
        taken.push(scope);
        search(index + 1);
        taken.pop();
      }
      // Every scope with shared variables has a context.
      if (scope.capturedNames().length > 0) return;
    }
  };
  search(0);
  return found;
}

function isOfKind({ names, privates, isFunction }: ContextShape, scope: Scope): boolean {
  if (privates.length > 0 && !(scope.kind === 'class' && scope.hasPrivateNames)) return false;
  if (isFunction !== undefined && isFunction !== functionKinds.includes(scope.kind))
    // The outermost scope of code for `eval` has a context of either kind; static blocks have variables of their own.
    return scope.kind === 'program' || scope.node.type === 'StaticBlock';
  return names.length > 0 || privates.length > 0 || scope.sharesThis || isFunction === undefined;
}

function isExact(shape: ContextShape, scope: Scope): boolean {
  if (!isOfKind(shape, scope)) return false;
  const captured = scope.capturedNames();
  if (shape.mayBePart && scope.kind === 'program')
    return shape.names.every((name) => captured.includes(name));
  return (
    captured.join() === shape.names.join() ||
    (shape.mayHaveArguments && captured.join() === [...shape.names, 'arguments'].sort().join())
  );
}

function isPossible(shape: ContextShape, scope: Scope): boolean {
  const has = (name: string): boolean =>
    shape.names.includes(name) || (shape.mayHaveArguments && name === 'arguments');
  return (
    isOfKind(shape, scope) &&
    shape.names.every((name) => scope.bindings.has(name)) &&
    scope.capturedNames().every(has)
  );
}
