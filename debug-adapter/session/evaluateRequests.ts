import type { DebugProtocol } from '@vscode/debugprotocol';
import * as v from 'valibot';
import { UserError } from '../userError.ts';
import { complete } from './completions.ts';
import type { DebugTarget } from './debugTarget.ts';
import { evaluate } from './evaluation.ts';
import type { LiveStackFrame } from './frames.ts';
import { count, takes, text, type RequestTable } from './requests.ts';
import { headlineOf } from './stops.ts';

const evaluateArguments = v.looseObject({
  expression: text,
  frameId: v.exactOptional(count),
  context: v.optional(text, 'watch'),
  format: v.exactOptional(v.looseObject({ hex: v.exactOptional(v.boolean()) })),
});
type EvaluateArguments = v.InferOutput<typeof evaluateArguments>;

const completionsArguments = v.looseObject({
  text,
  column: v.pipe(v.number('a number is expected'), v.integer(), v.minValue(1)),
  line: v.exactOptional(v.pipe(v.number('a number is expected'), v.integer(), v.minValue(1))),
  frameId: v.exactOptional(count),
});

export function evaluateRequests(target: () => DebugTarget): RequestTable {
  const frameOf = (id: number | undefined): LiveStackFrame | undefined =>
    id === undefined ? undefined : target().threads.frames.live(id);
  return {
    evaluate: takes(evaluateArguments, (args, { signal }) =>
      answer(target(), frameOf(args.frameId), args, signal),
    ),
    completions: takes(completionsArguments, async (args, { signal }) => {
      const frame = frameOf(args.frameId);
      const thread = frame?.stop.thread ?? target().threads.main.cdp;
      return { targets: await complete(thread, frame, args, signal) };
    }),
  };
}

async function answer(
  target: DebugTarget,
  frame: LiveStackFrame | undefined,
  { expression, context, format }: EvaluateArguments,
  signal: AbortSignal,
): Promise<DebugProtocol.EvaluateResponse['body']> {
  const thread = frame?.stop.thread ?? target.threads.main.cdp;
  const { result, exceptionDetails } = await evaluate(thread, frame, expression, {
    throwOnSideEffect: context === 'hover',
    isConsole: context === 'repl',
    standsStill: target.threads.main.stop !== undefined,
    signal,
  });
  if (frame !== undefined && context === 'repl') target.store.didChange(frame.stop);
  // What the evaluation printed is shown before what it gave.
  await target.console.flush();
  if (exceptionDetails !== undefined) {
    const thrown = exceptionDetails.exception;
    if (context === 'hover' && thrown?.className === 'EvalError') {
      throw new UserError('Looking at this would run code that changes the program.');
    }
    if (context !== 'repl') {
      throw new UserError(thrown === undefined ? exceptionDetails.text : headlineOf(thrown));
    }
    if (thrown === undefined) return { result: exceptionDetails.text, variablesReference: 0 };
    const shown = target.store.present(thread, thrown, {});
    return { ...toResult(shown), result: `Uncaught ${thrown.description ?? shown.value}` };
  }
  if (context === 'clipboard') {
    return { result: await target.store.copyText(thread, result, signal), variablesReference: 0 };
  }
  const isName = context !== 'repl';
  return toResult(
    target.store.present(thread, result, {
      frame,
      ...(isName ? { evaluateName: expression } : {}),
      ...(format === undefined ? {} : { format }),
    }),
  );
}

function toResult({
  value,
  ...rest
}: { readonly value: string; readonly variablesReference: number } & Partial<
  DebugProtocol.EvaluateResponse['body']
>): DebugProtocol.EvaluateResponse['body'] {
  return { ...rest, result: value };
}
