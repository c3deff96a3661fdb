import { parseArgs } from 'node:util';
import { everything, links, runnerNames, sizes, type Selection } from './plan.ts';

export interface Options {
  readonly selection: Selection;
  /** Whether the portable engine is measured as well, or instead. */
  readonly portable: boolean;
  readonly quick: boolean;
  readonly repetitions: number;
  readonly limitMs: number;
  /** Where the figures go as JSON; relative to the current folder. */
  readonly json: string | undefined;
}

/** What the portable engine is called among the runners. */
const portableName = 'v8';

export const usage = `usage: bench [--quick] [--only RUNNERS] [--sizes MB] [--links LINKS]
             [--repetitions N] [--limit MINUTES] [--json FILE]
  --quick        the smallest process, the full link, one run, Flick and plain CRIU
  --only         of ${runnerNames.join(',')},${portableName} (the portable engine)
  --sizes        of ${sizes.join(',')}
  --links        of ${links.join(',')}
  --repetitions  5 where none is given
  --limit        minutes after which a hop is given up; 15 where none is given
  --json         test-output/bench.json where none is given
`;

/** What was asked for wrongly; to be shown with {@link usage}. */
export class UsageError extends Error {}

/** @throws {UsageError} where the words are no options of the benchmark */
export function parseOptions(words: readonly string[]): Options {
  const { values } = parse(words);
  const quick = values.quick === true;
  const chosen = pick(
    'only',
    values.only,
    [...runnerNames, portableName],
    quick ? (['flick', 'criu'] as const) : [...everything.runners, portableName],
  );
  return {
    portable: chosen.includes(portableName),
    quick,
    selection: {
      runners: chosen.filter((each) => each !== portableName),
      sizes: pick('sizes', values.sizes, sizes, quick ? [45] : everything.sizes),
      links: pick('links', values.links, links, quick ? ['full'] : everything.links),
    },
    repetitions: positive('repetitions', values.repetitions, quick ? 1 : 5),
    limitMs: positive('limit', values.limit, 15) * 60_000,
    json: values.json,
  };
}

function parse(words: readonly string[]): {
  values: { quick?: boolean } & Partial<
    Record<'only' | 'sizes' | 'links' | 'repetitions' | 'limit' | 'json', string>
  >;
} {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...words],
      options: {
        ...{ quick: { type: 'boolean' }, only: text, sizes: text, links: text },
        ...{ repetitions: text, limit: text, json: text },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function pick<T extends string | number>(
  option: string,
  text: string | undefined,
  known: readonly T[],
  otherwise: readonly T[],
): readonly T[] {
  if (text === undefined) return otherwise;
  return text.split(',').map((word) => {
    const found = known.find((each) => String(each) === word);
    if (found === undefined)
      throw new UsageError(`--${option}: ${word} is none of ${known.join(', ')}`);
    return found;
  });
}

function positive(option: string, text: string | undefined, otherwise: number): number {
  const number = text === undefined ? otherwise : Number(text);
  if (!Number.isFinite(number) || number <= 0) {
    throw new UsageError(`--${option} takes a number above 0`);
  }
  return number;
}
