// Must survive: super in methods, accessors, arrow functions, object literals and statics
class Shape {
  constructor(name) {
    this.name = name;
  }
  get label() {
    return `shape ${this.name}`;
  }
  set label(value) {
    this.name = value;
  }
  describe(depth = 0) {
    return `${this.label}@${depth}`;
  }
  static make(...words) {
    return new this(...words);
  }
}
class Box extends Shape {
  constructor(name) {
    const early = () => super(`box ${name}`);
    early();
    this.later = (depth) => super.describe(depth + 100);
  }
  get label() {
    return `[${super.label}]`;
  }
  set label(value) {
    super.label = `${value}*`;
  }
  describe(depth) {
    return super.describe(depth + 1);
  }
}
class Crate extends Box {
  describe(depth = 0) {
    return `crate of ${super['describe'](depth + 1)}`;
  }
  static make(name) {
    return super.make(`c-${name}`);
  }
}
const parent = {
  hello() {
    return `parent ${this.who}`;
  },
};
const literal = {
  __proto__: parent,
  who: 'literal',
  hello() {
    return `${super.hello()}, literal`;
  },
};
const things = [Shape.make('s'), Box.make('b'), Crate.make('k')];
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  const thing = things[turn % 3];
  if (turn % 7 === 0) thing.label = `n${turn}`;
  if (turn === 20) Object.setPrototypeOf(literal, { hello: () => 'replaced parent' });
  if (turn === 30) Shape.prototype.describe = (depth) => `patched ${depth}`;
  console.log(turn, thing.describe(turn), things[2].later(turn), literal.hello());
  if (turn < 45) return;
  clearInterval(timer);
  console.log('end', things.map(({ label }) => label).join('; '));
}, 22);
