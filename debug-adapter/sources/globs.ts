import { escapePattern } from './paths.ts';

/** Files that stepping does not stop in, as globs with `*`, `**`, `?` and `{a,b}`; `!` takes back. */
export class SkipFiles {
  readonly #rules: { readonly pattern: RegExp; readonly skips: boolean }[];

  constructor(globs: readonly string[]) {
    this.#rules = globs.map((glob) => ({
      pattern: new RegExp(patternOf(glob.replace(/^!/, ''))),
      skips: !glob.startsWith('!'),
    }));
  }

  /** @param names of the file: its path here and there, or its URL */
  matches(names: readonly (string | undefined)[]): boolean {
    let skipped = false;
    for (const { pattern, skips } of this.#rules) {
      if (names.some((name) => name !== undefined && pattern.test(name))) skipped = skips;
    }
    return skipped;
  }

  /** For the inspector, which takes no exceptions from a rule: those are left to {@link matches}. */
  get patterns(): string[] {
    return this.#rules.some(({ skips }) => !skips)
      ? []
      : this.#rules.map(({ pattern }) => pattern.source);
  }
}

function patternOf(glob: string): string {
  if (glob.startsWith('<node_internals>')) return '^node:';
  const body = glob
    .split(/(\*\*\/|\*\*|\*|\?|\{[^{}]*\})/)
    .map((part) => {
      if (part === '**/') return '(?:.*/)?';
      if (part === '**') return '.*';
      if (part === '*') return '[^/]*';
      if (part === '?') return '[^/]';
      if (part.startsWith('{')) {
        return `(?:${part.slice(1, -1).split(',').map(escapePattern).join('|')})`;
      }
      return escapePattern(part);
    })
    .join('');
  return glob.startsWith('**') ? `${body}$` : `(?:^|/)${body}$`;
}
