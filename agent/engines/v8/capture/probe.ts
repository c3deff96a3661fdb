import { Script } from 'node:vm';
import { types } from 'node:util';
import type { AnyNode } from 'acorn';
import type { FunctionNode } from '../language/parse.ts';
import type { Resumption } from '../language/resume.ts';
import { resumedText } from '../language/resumedText.ts';
import { joined } from '../language/templates.ts';
import { names, type Kept } from '../language/resumePlan.ts';
import type { ScopeTree } from '../language/scopes.ts';
import { isAddress, type Memory, type Word } from './memory.ts';
import { randomInteger } from './processMemory.ts';
import { anything, keyCount, standIns } from './probeStandIns.ts';
import { markedText, wrapped, type Compiled } from './probeText.ts';

/** Where an activation keeps a value: the register, and its place in a literal under way when that is what the register has. */
export interface Spot {
  readonly register: number;
  readonly element?: number;
  readonly property?: string;
}

/** Goes to the activation of a run anew: objects may be moved between two reads. */
type Way = () => Word;

const { state } = names;

/**
 * Finds out in which registers V8 keeps values without a name. They depend on the text of the function alone, so the text
 * that goes on where an activation stands is run with objects that can be told, up to the same place: nothing of the program
 * runs on the way. Registers are counted from where the function's variables end, which is found out in the same way.
 */
export class Probe {
  readonly #memory: Memory;
  readonly #drain: () => void;
  /** Fields of V8's objects: a generator's registers, a promise's reactions, their handlers and what these see. */
  readonly #registers: number;
  readonly #reactions: number;
  readonly #fulfilled: number;
  readonly #context: number;
  readonly #waiting: number;

  /** @param drain runs the microtasks that wait: none of them is the program's */
  constructor(memory: Memory, drain: () => void) {
    this.#memory = memory;
    this.#drain = drain;
    const mark = randomInteger();
    const marked = BigInt(mark) << 32n;
    const hasMark = (word: Word): boolean =>
      this.#isList(word) && memory.elements(word).includes(marked);
    const generator = (function* (value: number) {
      yield value;
    })(mark);
    generator.next();
    this.#registers = this.#field(generator, 16, hasMark);
    const handler = (
      (seen: number) => () =>
        seen
    )(mark);
    this.#context = this.#field(handler, 8, (word) => memory.words(word, 8).includes(marked));
    const promise = new Promise(() => undefined);
    void promise.then(handler);
    const isReaction = (word: Word): boolean =>
      memory.words(word, 7).includes(memory.word(handler));
    this.#reactions = this.#field(promise, 6, isReaction);
    this.#fulfilled = memory.exact(() =>
      memory
        .words(memory.follow(memory.word(promise), [this.#reactions]), 7)
        .indexOf(memory.word(handler)),
    );
    const gate = new Promise(() => undefined);
    void (async (value: number) => {
      await gate;
      return value;
    })(mark);
    this.#waiting = memory.exact(() =>
      memory
        .words(this.#handlerContext(gate), 8)
        .findIndex((word, index) => index > 1 && isAddress(word) && hasMark(this.#list(word))),
    );
    if (this.#waiting < 0) throw new Error('suspended functions are not understood');
  }

  /** The registers of an activation, arguments first. To be called within {@link Memory.exact}. */
  registers(activation: Word): Word[] {
    return this.#memory.elements(this.#list(activation));
  }

  /**
   * Registers that hold a kept value, by its key (`key!` for its second part), or the iterator of a loop, by its offset.
   * @throws when the text cannot be run without the program
   */
  locate(
    tree: ScopeTree,
    fn: FunctionNode,
    plan: Resumption,
    compiled: Compiled,
  ): Map<string, Spot[]> {
    const base = this.#base(markedText(compiled), fn);
    const mark = `${state}.mark(${state}.sentinel, ${fn.async ? `await ${state}.gate` : 'yield'});`;
    const text = (prologue: string): string => {
      const resumed = resumedText(tree, fn, plan, { state: 'suspended', prologue });
      return wrapped(tree, fn, resumed);
    };
    const shift = base - this.#base(text(mark), fn);
    const { given, sentinels, awaited } = standIns();
    const way = this.#run(text(''), fn, given, awaited);
    // A loop of `for await` waits for each step, also for the one that it stands in.
    if (plan.iterators.some((each) => each.type === 'ForOfStatement' && each.await)) this.#drain();
    const found = new Map<string, Spot[]>();
    const kept = new Map(plan.kept.map((each) => [each.key, each]));
    this.#memory.exact(() => {
      const words = this.registers(way());
      for (const [key, sentinel] of sentinels) {
        const at = kept.get(key);
        const parts = at === undefined ? undefined : partsOf(tree, plan, at);
        const spots = this.#spots(words, this.#memory.word(sentinel), parts).filter(
          ({ register }) => at === undefined || isUnderstood(at, words, register),
        );
        found.set(
          key,
          spots.map((spot) => ({ ...spot, register: spot.register + shift })),
        );
      }
    });
    return found;
  }

  /** Registers that hold a value, or the text or literal under way that it is a part of. */
  #spots(words: readonly Word[], wanted: Word, parts: Parts | undefined): Spot[] {
    const memory = this.#memory;
    const { parent, count = 0 } = parts ?? {};
    const find = (spot: (word: Word) => Omit<Spot, 'register'> | undefined): Spot[] =>
      words.flatMap((word, register) => {
        const found = spot(word);
        return found === undefined ? [] : [{ register, ...found }];
      });
    const isObject = (word: Word): boolean => isAddress(word) && !memory.isPrimitive(word);
    if (parent?.type === 'TemplateLiteral') {
      const text = joined(parent, count);
      return find((word) =>
        memory.isPrimitive(word) && memory.primitive(word) === text ? {} : undefined,
      );
    }
    let found: Spot[] = [];
    if (parent?.type === 'ArrayExpression') {
      found = find((word) => {
        if (!isObject(word)) return undefined;
        const elements = memory.follow(word, [2]);
        const at = this.#isList(elements) ? memory.elements(elements).indexOf(wanted) : -1;
        return at < 0 ? undefined : { element: at };
      });
    } else if (parent?.type === 'Property' && !parent.computed) {
      const { key } = parent;
      const property =
        key.type === 'Identifier' ? key.name : key.type === 'Literal' ? String(key.value) : '';
      found = find((word) =>
        isObject(word) && memory.words(word, 3 + count).includes(wanted, 3)
          ? { property }
          : undefined,
      );
    }
    return found.length > 0 ? found : find((word) => (word === wanted ? {} : undefined));
  }

  /** Where the registers for values without a name begin. */
  #base(text: string, fn: FunctionNode): number {
    const sentinel = {};
    const gate = new Promise<void>(() => undefined);
    const given = { sentinel, gate, mark: () => undefined, v: new Proxy({}, { get: () => [] }) };
    const way = this.#run(text, fn, given, gate);
    const memory = this.#memory;
    const base = memory.exact(() => this.registers(way()).indexOf(memory.word(sentinel)));
    if (base < 0) throw new Error('the beginning of the registers is not known');
    return base;
  }

  #run(text: string, fn: FunctionNode, given: object, awaited: object): Way {
    const make = new Script(text, { filename: 'node:flick' }).runInThisContext() as (
      ...given: object[]
    ) => unknown;
    const made = make(given, anything);
    const run =
      typeof made === 'function' ? made : (Object.values(made as object)[0] as () => unknown);
    const args = new Array<unknown>(24).fill(anything);
    const result = Reflect.apply(run as () => object, anything, args);
    const memory = this.#memory;
    if (!fn.generator) {
      (result as Promise<unknown>).catch(() => undefined);
      return () => memory.follow(this.#handlerContext(awaited), [this.#waiting]);
    }
    const step = (result as Generator).next() as unknown;
    if (types.isPromise(step)) step.catch(() => undefined);
    return () => memory.word(result);
  }

  /** What the handler of a promise's only reaction sees. */
  #handlerContext(promise: object): Word {
    const fields = [this.#reactions, this.#fulfilled, this.#context];
    return this.#memory.follow(this.#memory.word(promise), fields);
  }

  #list(activation: Word): Word {
    return this.#memory.follow(activation, [this.#registers]);
  }

  /** Whether a word leads to one of V8's arrays, as far as can be told. */
  #isList(word: Word): boolean {
    if (!isAddress(word)) return false;
    const length = this.#memory.words(word, 2)[1] ?? 1n;
    return (length & 0xffffffffn) === 0n && length > 0n && length < 1n << 44n;
  }

  #field(object: object, count: number, fits: (word: Word) => boolean): number {
    const memory = this.#memory;
    const found = memory.exact(() =>
      memory.words(memory.word(object), count).findIndex((word, index) => index > 1 && fits(word)),
    );
    if (found < 0) throw new Error('the heap of this V8 is not understood');
    return found;
  }
}

/** What a value is a part of, and how many values that has. */
interface Parts {
  readonly parent: AnyNode | undefined;
  readonly count: number;
}

function partsOf(tree: ScopeTree, plan: Resumption, { kind, node }: Kept): Parts {
  const parent = tree.parents.get(node);
  if (kind === 'part' && parent?.type === 'TemplateLiteral') {
    const isPart = (each: Kept): boolean => tree.parents.get(each.node) === parent;
    return { parent, count: plan.kept.filter(isPart).length };
  }
  if (kind !== 'value') return { parent: undefined, count: 0 };
  const literal = parent === undefined ? undefined : tree.parents.get(parent);
  return { parent, count: literal?.type === 'ObjectExpression' ? literal.properties.length : 0 };
}

/** Whether loops over keys and `finally` keep what they have as it will be read. */
function isUnderstood({ kind }: Kept, words: readonly Word[], register: number): boolean {
  if (kind === 'finally') return words[register - 1] === 0n;
  if (kind !== 'forIn') return true;
  return words[register + 3] === BigInt(keyCount) << 32n && words[register + 4] === 0n;
}
