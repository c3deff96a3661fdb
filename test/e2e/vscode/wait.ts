/** How long the harness waits for VS Code to show something, in ms, unless a call says otherwise. */
export const patienceMs = 30_000;

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * Asks again and again until the answer is neither undefined nor false; an answer that throws counts as none.
 * @param what completes "timed out waiting for …"
 * @throws {Error} after `timeoutMs`, with the last error as its cause
 */
export async function waitFor<T>(
  what: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMs = patienceMs,
): Promise<T> {
  const end = Date.now() + timeoutMs;
  let cause: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (Date.now() > end) throw new Error(`timed out waiting for ${what}`, { cause });
    await sleep(50);
  }
}
