/** True in `npm run test:full`, which runs all cases where `npm test` runs a sample. */
export const isFullRun = process.env['FLICK_TEST_FULL'] === '1';

/** The seed of this run, printed by it and repeatable through `FLICK_TEST_SEED`. */
export const seed = Number(process.env['FLICK_TEST_SEED'] ?? '1');

/**
 * Random numbers that depend on the run's seed and on `label` alone, so that one test's draws do
 * not shift another's. The generator is mulberry32.
 * @returns a function that draws a number in [0, 1)
 */
export function seededRandom(label: string): () => number {
  let state = seed | 0;
  for (const character of label) {
    state = Math.imul(state ^ (character.codePointAt(0) ?? 0), 0x9e3779b1);
  }
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** All of `cases` in a full run, else `count` of them drawn with the run's seed, in their order. */
export function sample<T>(label: string, cases: readonly T[], count: number): T[] {
  if (isFullRun || count >= cases.length) return [...cases];
  const random = seededRandom(label);
  const left = [...cases.keys()];
  const drawn = Array.from({ length: count }, () =>
    left.splice(Math.floor(random() * left.length), 1),
  );
  const chosen = new Set(drawn.flat());
  return cases.filter((_, index) => chosen.has(index));
}
