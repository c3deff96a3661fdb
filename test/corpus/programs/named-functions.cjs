// Must survive: the name that a function expression has for itself, and names and lengths of functions
const factorial = function self(n) {
  return n <= 1n ? 1n : n * self(n - 1n);
};
const stubborn = function keep() {
  try {
    keep = null;
  } catch {
    return 'strict';
  }
  keep.calls = (keep.calls ?? 0) + 1;
  return keep.calls;
};
const Klass = class Inner {
  static made = 0;
  constructor() {
    Inner.made += 1;
    this.number = Inner.made;
  }
  clone() {
    return new Inner();
  }
};
const table = {
  method() {},
  arrow: () => {},
  async later() {},
  *gen() {},
  ['com' + 'puted'](a, b) {},
};
Object.defineProperty(table.arrow, 'name', { value: 'renamed' });
function passed(fn) {
  return fn;
}
const anonymous = passed(() => 1);
anonymous.extra = { note: 'kept' };
let latest = new Klass();
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  latest = latest.clone();
  console.log(turn, String(factorial(BigInt(turn))), stubborn(), latest.number);
  if (turn < 45) return;
  clearInterval(timer);
  const names = Object.values(table).map((fn) => `${fn.name}/${fn.length}`);
  console.log('end', names.join(), Klass.name, factorial.name, JSON.stringify(anonymous.name));
  console.log(anonymous.extra.note, latest.constructor === Klass, typeof self, typeof Inner);
}, 22);
