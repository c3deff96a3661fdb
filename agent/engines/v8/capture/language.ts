import { Refusal } from './refusal.ts';

const hint = 'What is taken apart inside of the program needs them as they are in JavaScript.';

const fifth = function (this: number, n: number): number {
  return this + n;
};

const holders: Readonly<Record<string, unknown>> = {
  Array: [],
  String: Object(''),
  RegExp: /./,
  Function: fifth,
};

/**
 * Methods that the code of this engine calls on its own objects, which have the prototypes of the program, each with a
 * short proof that it does what the language says.
 */
const trials: Readonly<Record<string, Readonly<Record<string, () => boolean>>>> = {
  Array: {
    at: () => [1, 2].at(-1) === 2,
    concat: () => same([1].concat([2]), 1, 2),
    entries: () => same([...['a'].entries()][0], 0, 'a'),
    every: () => [1, 2].every((n) => n > 0) && ![1, 2].every((n) => n > 1),
    fill: () => same([0, 0].fill(1), 1, 1),
    filter: () =>
      same(
        [1, 2].filter((n) => n > 1),
        2,
      ),
    find: () => [1, 2, 3].find((n) => n > 1) === 2,
    findIndex: () => [1, 2].findIndex((n) => n > 1) === 1 && [1].findIndex(() => false) === -1,
    flat: () => same([[1], 2].flat(), 1, 2),
    flatMap: () =>
      same(
        [1, 2].flatMap((n) => [n, n]),
        ...[1, 1, 2, 2],
      ),
    forEach: () => {
      let sum = 0;
      [1, 2].forEach((n, index) => (sum += n * (index + 1)));
      return sum === 5;
    },
    includes: () => [1].includes(1) && ![1].includes(2),
    indexOf: () => [1, 2].indexOf(2) === 1 && [1].indexOf(2) === -1,
    join: () => [1, 2].join('-') === '1-2',
    keys: () => same([...['a', 'b'].keys()], 0, 1),
    lastIndexOf: () => [1, 1].lastIndexOf(1) === 1,
    map: () =>
      same(
        [1, 2].map((n, index) => n * 10 + index),
        ...[10, 21],
      ),
    pop: () => {
      const list = [1, 2];
      return list.pop() === 2 && same(list, 1);
    },
    push: () => {
      const list = [1];
      return list.push(2, 3) === 3 && same(list, 1, 2, 3);
    },
    reduce: () => [1, 2].reduce((sum, n) => sum + n, 4) === 7,
    reverse: () => same([1, 2].reverse(), 2, 1),
    shift: () => {
      const list = [1, 2];
      return list.shift() === 1 && same(list, 2);
    },
    slice: () => same([1, 2, 3].slice(1), 2, 3) && same([1, 2, 3].slice(0, -1), 1, 2),
    some: () => [1, 2].some((n) => n > 1) && ![1].some((n) => n > 1),
    sort: () =>
      same(
        [3, 1, 2].sort((a, b) => a - b),
        ...[1, 2, 3],
      ),
    splice: () => {
      const list = [1, 2, 3];
      return same(list.splice(1, 1), 2) && same(list, 1, 3);
    },
    unshift: () => {
      const list = [2];
      return list.unshift(1) === 2 && same(list, 1, 2);
    },
    values: () => same([...[1, 2].values()], 1, 2),
  },
  String: {
    at: () => 'ab'.at(-1) === 'b',
    charCodeAt: () => 'a'.charCodeAt(0) === 97,
    endsWith: () => 'ab'.endsWith('b') && !'ab'.endsWith('a'),
    includes: () => 'ab'.includes('b') && !'ab'.includes('c'),
    indexOf: () => 'ab'.indexOf('b') === 1 && 'ab'.indexOf('c') === -1,
    lastIndexOf: () => 'aba'.lastIndexOf('a') === 2,
    match: () => 'ab'.match(/b/)?.index === 1 && 'ab'.match(/c/) === null,
    matchAll: () => [...'aba'.matchAll(/a/g)].length === 2,
    padStart: () => 'a'.padStart(2, '0') === '0a',
    repeat: () => 'a'.repeat(2) === 'aa',
    replace: () => 'aba'.replace(/a/g, 'c') === 'cbc' && 'ab'.replace('a', () => 'c') === 'cb',
    replaceAll: () => 'aba'.replaceAll('a', 'c') === 'cbc',
    slice: () => 'abc'.slice(1, -1) === 'b',
    split: () => same('a-b'.split('-'), 'a', 'b'),
    startsWith: () => 'ab'.startsWith('a') && !'ab'.startsWith('b'),
    toUpperCase: () => 'a'.toUpperCase() === 'A',
    trim: () => ' a '.trim() === 'a',
  },
  RegExp: {
    exec: () => /b(.)/.exec('abc')?.[1] === 'c' && /d/.exec('abc') === null,
    test: () => /b/.test('abc') && !/d/.test('abc'),
  },
  Function: {
    apply: () => fifth.apply(5, [1]) === 6,
    bind: () => fifth.bind(5, 1)() === 6,
    call: () => fifth.call(5, 1) === 6,
  },
};

/**
 * Methods of the language in whose place the program has put functions of its own: `Array.prototype.push`.
 * @param realm the global object of a realm in which nothing is changed
 */
function replacedMethods(realm: object): string[] {
  const { toString } = (realm as typeof globalThis).Function.prototype;
  const found: string[] = [];
  for (const holder of Reflect.ownKeys(trials) as string[]) {
    const prototype = Reflect.getPrototypeOf(holders[holder] as object) ?? {};
    for (const name of Reflect.ownKeys(trials[holder] ?? {}) as string[]) {
      const method = Reflect.getOwnPropertyDescriptor(prototype, name)?.value as unknown;
      const text = typeof method === 'function' ? Reflect.apply(toString, method, []) : undefined;
      // No text of a program is like this.
      const isNative = text === `function ${name}() { [native code] }`;
      if (!isNative) found[found.length] = `${holder}.prototype.${name}`;
    }
  }
  return found;
}

/**
 * Functions of the program that do what the language says serve as well.
 * @returns what {@link replacedMethods} does
 * @throws {Refusal} for one that does something else
 */
export function requireLanguage(realm: object): readonly string[] {
  const replaced = replacedMethods(realm);
  for (let index = 0; index < replaced.length; index += 1) {
    const path = replaced[index] ?? '';
    if (!isProven(path)) {
      throw new Refusal(
        `Cannot move: the program has put a function of its own in the place of ${path}, and it does something else.`,
        { hint },
      );
    }
  }
  return replaced;
}

/** What nobody thought of, in a program that has put functions of its own in the place of those of the language. */
export function failedWith(replaced: readonly string[], error: unknown): Refusal | undefined {
  const [first] = replaced;
  if (first === undefined) return undefined;
  const others = replaced.length > 1 ? ` and of ${replaced.length - 1} others` : '';
  return new Refusal(
    `Cannot move: the program has put functions of its own in the place of ${first}${others}, and could not be taken apart with them (${String(error)}).`,
    { hint },
  );
}

/** Calls what may be the program's. */
function isProven(path: string): boolean {
  for (const holder of Reflect.ownKeys(trials) as string[]) {
    for (const name of Reflect.ownKeys(trials[holder] ?? {}) as string[]) {
      if (path !== `${holder}.prototype.${name}`) continue;
      try {
        return trials[holder]?.[name]?.() === true;
      } catch {
        return false;
      }
    }
  }
  return true;
}

function same(list: readonly unknown[] | undefined, ...wanted: readonly unknown[]): boolean {
  if (list?.length !== wanted.length) return false;
  for (let index = 0; index < wanted.length; index += 1) {
    if (list[index] !== wanted[index]) return false;
  }
  return true;
}
