import { CdpError, type CdpThread, type Protocol } from '../cdp.ts';
import type { LiveFrame } from '../frame.ts';
import { UserError } from '../userError.ts';

type RemoteObject = Protocol.Runtime.RemoteObject;
type Thrown = Protocol.Runtime.ExceptionDetails;

/** Evaluates what a person typed as a new value. @throws {UserError} with what went wrong in it */
export async function evaluateInput(
  thread: CdpThread,
  frame: LiveFrame | undefined,
  text: string,
  signal: AbortSignal,
): Promise<RemoteObject> {
  const expression = text.trim().startsWith('{') ? `(${text})` : text;
  return evaluate(thread, frame, expression, signal);
}

/** @throws {UserError} with the text of what was thrown */
export async function evaluate(
  thread: CdpThread,
  frame: LiveFrame | undefined,
  expression: string,
  signal: AbortSignal,
): Promise<RemoteObject> {
  const common = { expression, silent: true, generatePreview: true };
  const { result, exceptionDetails } =
    frame === undefined
      ? await thread.send('Runtime.evaluate', common, signal)
      : await thread.send(
          'Debugger.evaluateOnCallFrame',
          { ...common, callFrameId: frame.frame.callFrameId },
          signal,
        );
  if (exceptionDetails !== undefined) throw new UserError(thrownText(exceptionDetails));
  return result;
}

/** The first line of what was thrown. */
export function thrownText({ exception, text }: Thrown): string {
  const said = exception?.description?.split('\n')[0] ?? exception?.value;
  return said === undefined ? text : String(said);
}

/** A value as an argument of a call. */
export function argumentOf(object: RemoteObject): Protocol.Runtime.CallArgument {
  if (object.objectId !== undefined) return { objectId: object.objectId };
  if (object.unserializableValue !== undefined) {
    return { unserializableValue: object.unserializableValue };
  }
  return object.type === 'undefined' ? {} : { value: object.value as unknown };
}

/** Calls a function in the process. @throws {UserError} with the text of what it threw */
export async function call(
  thread: CdpThread,
  objectId: string,
  functionDeclaration: string,
  values: readonly Protocol.Runtime.CallArgument[],
  signal: AbortSignal,
  options: { readonly byValue?: boolean } = {},
): Promise<RemoteObject> {
  const { result, exceptionDetails } = await thread.send(
    'Runtime.callFunctionOn',
    {
      objectId,
      functionDeclaration,
      arguments: [...values],
      silent: true,
      ...(options.byValue === true ? { returnByValue: true } : { generatePreview: true }),
    },
    signal,
  );
  if (exceptionDetails !== undefined) throw new UserError(thrownText(exceptionDetails));
  return result;
}

/** Scopes in which V8 can set a variable by its place. */
const settable = new Set(['local', 'closure', 'catch']);

/**
 * Gives a variable of a scope another value. An assignment keeps `const` constant; where an inner scope has a variable of
 * the same name, V8 is told which one is meant.
 * @returns the new value
 * @throws {UserError} why it cannot be changed
 */
export async function setScopeVariable(
  frame: LiveFrame,
  index: number,
  name: string,
  text: string,
  isShadowed: boolean,
  signal: AbortSignal,
): Promise<RemoteObject> {
  const { thread } = frame.stop;
  if (!isShadowed) {
    try {
      // In one evaluation: variables that live on the stack are written back when it ends.
      return await evaluate(thread, frame, `${name} = (${text}\n)`, signal);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      if (/Assignment to constant/i.test(error.message)) {
        throw new UserError(`${name} is a constant.`);
      }
      if (!error.message.includes(`${name} is not defined`)) throw error;
    }
  }
  const scope = frame.frame.scopeChain[index];
  if (scope === undefined || !settable.has(scope.type)) {
    throw new UserError(`${name} of this scope is hidden by another ${name} and cannot be set.`);
  }
  const value = await evaluateInput(thread, frame, text, signal);
  try {
    await thread.send(
      'Debugger.setVariableValue',
      {
        scopeNumber: index,
        variableName: name,
        newValue: argumentOf(value),
        callFrameId: frame.frame.callFrameId,
      },
      signal,
    );
  } catch (error) {
    if (!(error instanceof CdpError)) throw error;
    throw new UserError(`${name} of this scope cannot be set: nothing in the program keeps it.`);
  }
  return value;
}
