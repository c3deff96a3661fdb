// Must survive: what the TypeScript compiler makes for ES5: __awaiter, __generator, __extends and their kin
// build: tsc es5
const pause = (ms: number): Promise<number> => new Promise((done) => setTimeout(done, 2 * ms, ms));
abstract class Shape {
  static made = 0;
  readonly id: number;
  readonly #name: string;
  constructor(name: string) {
    Shape.made += 1;
    this.id = Shape.made;
    this.#name = name;
  }
  get title(): string {
    return `${this.#name}#${String(this.id)}`;
  }
  describe(): string {
    return this.title;
  }
  abstract area(): number;
}
class Square extends Shape {
  side: number;
  constructor(side: number) {
    super('square');
    this.side = side;
  }
  area = (): number => this.side ** 2;
  // ES5 has no way to call the getter of a parent.
  override describe(): string {
    return `[${super.describe()}]`;
  }
}
function* walk<T>(...lists: readonly T[][]): Generator<T, number, boolean | undefined> {
  let skipped = 0;
  for (const list of lists) {
    for (const item of list) {
      const skip = yield item;
      if (skip === true) skipped += 1;
    }
  }
  return skipped;
}
async function* slow(limit: number): AsyncGenerator<string> {
  for (let n = 0; n < limit; n += 1) {
    await pause(4);
    try {
      yield `s${String(n)}`;
    } finally {
      await pause(1);
    }
  }
}
async function main(): Promise<void> {
  const shapes: Shape[] = [new Square(2)];
  const walker = walk([1, 2, 3], [4, 5], [...'6789'].map(Number));
  for (let turn = 0; turn < 25; turn += 1) {
    const waited = await pause(6);
    const { length = 0, ...others } = { turn, length: shapes.length };
    if (turn % 6 === 5) shapes.push(new Square(turn));
    const step = walker.next(turn % 2 === 0);
    try {
      if (turn % 8 === 7) throw new RangeError(`turn ${String(turn)}`);
      console.log(turn, waited, length, others.turn, shapes.map((shape) => shape.area()).join());
    } catch (error) {
      console.log('caught', (error as Error).message, await pause(2));
    } finally {
      console.log(step.value, step.done, shapes.at(-1)?.describe());
    }
  }
  for await (const word of slow(12)) console.log(word);
  console.log('end', Shape.made, shapes.map(({ title }) => title).join());
}
void main();
