// Must survive: new.target, Reflect.construct with another one, and constructors that return objects
const log = [];
class Base {
  constructor(...words) {
    this.kind = new.target.name;
    this.words = words;
    log.push(new.target === Base);
  }
}
class Abstract {
  constructor() {
    if (new.target === Abstract) throw new TypeError('abstract');
    this.concrete = true;
  }
}
class Real extends Abstract {}
function Old(value) {
  if (!new.target) return new Old(value);
  const inner = () => new.target === Old;
  this.value = value;
  this.check = inner;
}
class Cached extends Base {
  static pool = new Map();
  constructor(key) {
    super(key);
    const there = Cached.pool.get(key);
    if (there) return there;
    Cached.pool.set(key, this);
  }
}
const made = [];
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  made.push(new Base(turn), Reflect.construct(Base, [turn], Real), Old(turn));
  const cached = new Cached(turn % 4);
  cached.uses = (cached.uses ?? 0) + 1;
  let refused = '';
  try {
    new Abstract();
  } catch ({ message }) {
    refused = message;
  }
  console.log(turn, made.at(-2).kind, made.at(-2) instanceof Real, cached.uses, refused);
  if (turn < 45) return;
  clearInterval(timer);
  const old = made.filter((one) => one instanceof Old);
  console.log(
    'end',
    old.every(({ check }) => check()),
    made.length,
    log.filter(Boolean).length,
  );
  console.log(Cached.pool.size, new Real().concrete, made[1].concrete);
}, 22);
