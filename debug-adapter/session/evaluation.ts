import { setTimeout as delay } from 'node:timers/promises';
import type { CdpThread, Protocol } from '../cdp.ts';
import type { LiveFrame } from '../frame.ts';

export interface EvaluateOptions {
  /** Refuse whatever would change something. */
  readonly throwOnSideEffect?: boolean;
  /** Like a console: `let` may be declared again, `await` may be used at the top level, `require` is there. */
  readonly isConsole?: boolean;
  readonly signal: AbortSignal;
  /** The thread is stopped: what awaits would never be answered. */
  readonly standsStill?: boolean;
}

/** What came out of an evaluation: a value, or what was thrown. */
export interface Evaluated {
  readonly result: Protocol.Runtime.RemoteObject;
  readonly exceptionDetails?: Protocol.Runtime.ExceptionDetails;
}

/** Objects that evaluations give are kept in this group as long as the session lasts. */
const objectGroup = 'flick-evaluation';
/** An evaluation that was taken back and still keeps the thread busy after this many ms is ended by force. */
const patience = 200;

/** Evaluates an expression on a frame, or in the program at large. */
export async function evaluate(
  thread: CdpThread,
  frame: LiveFrame | undefined,
  expression: string,
  options: EvaluateOptions,
): Promise<Evaluated> {
  let last: Evaluated | undefined;
  for (const form of formsOf(expression, frame !== undefined || options.standsStill === true)) {
    last = await evaluateForm(thread, frame, form, options);
    if (!isSyntaxError(last)) return last;
  }
  return last as Evaluated;
}

/** An object literal is no block, and a frame that stands still cannot await: there the promise is the answer. */
function formsOf(expression: string, onFrame: boolean): readonly string[] {
  const isLiteral = /^\s*\{[\s\S]*\}\s*;?\s*$/.test(expression);
  const inner = expression.replace(/;\s*$/, '');
  const awaits = onFrame && /\bawait\b/.test(expression);
  return [
    ...(isLiteral ? [`(${inner}\n)`] : []),
    expression,
    ...(awaits ? [`(async () => (${inner}\n))()`, `(async () => {${expression}\n})()`] : []),
  ];
}

function isSyntaxError({ exceptionDetails }: Evaluated): boolean {
  return exceptionDetails?.exception?.className === 'SyntaxError';
}

async function evaluateForm(
  thread: CdpThread,
  frame: LiveFrame | undefined,
  expression: string,
  { throwOnSideEffect = false, isConsole = false, standsStill = false, signal }: EvaluateOptions,
): Promise<Evaluated> {
  signal.throwIfAborted();
  const common = {
    expression,
    objectGroup,
    includeCommandLineAPI: isConsole,
    silent: true,
    generatePreview: true,
    throwOnSideEffect,
  };
  const onAbort = (): void => void endByForce(thread);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return frame === undefined
      ? await thread.send(
          'Runtime.evaluate',
          { ...common, replMode: isConsole && !standsStill },
          signal,
        )
      : await thread.send(
          'Debugger.evaluateOnCallFrame',
          { ...common, callFrameId: frame.frame.callFrameId },
          signal,
        );
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Ends what keeps the thread busy, unless it only awaits: the next best code would be ended in its place. */
async function endByForce(thread: CdpThread): Promise<void> {
  const isIdle = thread.send('Runtime.evaluate', { expression: '0' }).then(
    () => true,
    () => true,
  );
  if (await Promise.race([isIdle, delay(patience, false)])) return;
  await thread.send('Runtime.terminateExecution').catch(() => undefined);
}
