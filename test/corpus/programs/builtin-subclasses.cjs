// Must survive: instances of classes that extend Array, Map, Set, Error, Promise, Function, RegExp, Date
class Stack extends Array {
  #pushes = 0;
  push(...items) {
    this.#pushes += items.length;
    return super.push(...items);
  }
  get pushes() {
    return this.#pushes;
  }
}
class Counts extends Map {
  add(key) {
    return this.set(key, (this.get(key) ?? 0) + 1);
  }
}
class Tags extends Set {
  add(value) {
    return super.add(String(value).toLowerCase());
  }
}
class AppError extends Error {
  constructor(code, ...rest) {
    super(...rest);
    this.code = code;
  }
  get name() {
    return `AppError<${this.code}>`;
  }
}
class Later extends Promise {
  label = 'later';
  mapped(fn) {
    return this.then(fn);
  }
}
class Template extends RegExp {
  exec(text) {
    const match = super.exec(text);
    if (match) match.via = 'Template';
    return match;
  }
}
class Day extends Date {
  get iso() {
    return this.toISOString().slice(0, 10);
  }
}
class Bytes extends Uint8Array {
  total() {
    return this.reduce((sum, byte) => sum + byte, 0);
  }
}
class Text extends String {
  twice() {
    return this + this;
  }
}
const stack = Stack.of(1);
const counts = new Counts([['a', 1]]);
const tags = new Tags();
const error = new AppError('E7', 'broken', { cause: 'test' });
const template = new Template('(\\d+)x', 'g');
const day = new Day(Date.UTC(2020, 0, 1));
const bytes = Bytes.from([1, 2, 3]);
const text = new Text('ab');
let resolve;
const later = new Later((done) => (resolve = done));
const mapped = later.mapped((value) => `mapped ${value}`);
let turn = 0;
const timer = setInterval(async () => {
  turn += 1;
  stack.push(turn);
  counts.add('abc'[turn % 3]);
  tags.add(turn % 2 ? `Tag${turn}` : 'SAME');
  day.setUTCDate(day.getUTCDate() + 1);
  bytes[turn % 3] += turn;
  console.log(turn, stack.pushes, JSON.stringify([...counts]), tags.size, day.iso, bytes.total());
  const match = template.exec('12x 345x 6x');
  console.log(match?.[1] ?? 'none', match?.via ?? '', template.lastIndex, String(text.twice()));
  if (turn < 40) return;
  clearInterval(timer);
  resolve('value');
  console.log(await mapped, mapped instanceof Later, later.label, mapped.label);
  console.log(
    'end',
    stack.slice(-2) instanceof Stack,
    String(error),
    error.cause,
    tags.has('same'),
  );
  console.log(error instanceof AppError, Object.prototype.toString.call(day), text.length);
  process.exitCode = 44;
}, 22);
