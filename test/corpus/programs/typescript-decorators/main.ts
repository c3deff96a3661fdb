// Must survive: decorated classes, members and fields, as the TypeScript compiler writes them
// build: tsc es2020
const calls: string[] = [];
const registry = new Map<string, unknown>();
function counted<This, Args extends unknown[], Result>(
  method: (this: This, ...args: Args) => Result,
  context: ClassMethodDecoratorContext,
): (this: This, ...args: Args) => Result {
  let count = 0;
  return function (this: This, ...args: Args): Result {
    count += 1;
    calls.push(`${String(context.name)}${String(count)}`);
    return method.apply(this, args);
  };
}
function registered(name: string) {
  return (target: unknown, context: ClassDecoratorContext): void => {
    registry.set(name, target);
    context.addInitializer(() => calls.push(`initialised ${name}`));
  };
}
function doubled(_: undefined, context: ClassFieldDecoratorContext): (value: number) => number {
  calls.push(`field ${String(context.name)}`);
  return (value) => value * 2;
}
@registered('meter')
class Meter {
  @doubled amount = 5;
  #total = 0;
  @counted add(by: number): number {
    this.#total += by * this.amount;
    return this.#total;
  }
  @counted static create(): Meter {
    return new Meter();
  }
}
const meters = [Meter.create()];
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  if (turn % 10 === 0) meters.push(Meter.create());
  const totals = meters.map((meter) => meter.add(turn));
  console.log(turn, totals.join(), calls.splice(0).join());
  if (turn < 45) return;
  clearInterval(timer);
  console.log('end', registry.get('meter') === Meter, meters.length);
}, 22);
