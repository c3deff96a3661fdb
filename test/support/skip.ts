/** A runnable or suite that carries why it was skipped; scripts/mochaReporter.cjs reads it. */
interface Skippable {
  skipReason?: string;
}

/**
 * Skips the running test, or from a `before` hook all tests of its suite, with a reason that the
 * run prints and counts. Use it only for what cannot run on this machine.
 * @param context `this` of the test or hook
 * @param reason one sentence: what is missing
 */
export function skip(context: Mocha.Context, reason: string): never {
  const runnable = context.test;
  if (runnable !== undefined) {
    (runnable as Skippable).skipReason = reason;
    // Mocha reports the tests of the suite, not the hook that skipped them.
    if ('type' in runnable && runnable.type === 'hook' && runnable.parent !== undefined) {
      (runnable.parent as Skippable).skipReason = reason;
    }
  }
  if (context.currentTest !== undefined) (context.currentTest as Skippable).skipReason = reason;
  return context.skip();
}
