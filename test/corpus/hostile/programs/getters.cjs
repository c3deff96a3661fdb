// Must survive: getters, proxies and toJSON that must not be called by whoever looks at the program
let touched = 0;
const trap = () => {
  touched += 1;
  throw new Error('touched');
};
const bomb = {
  get value() {
    return trap();
  },
  toJSON: trap,
  toString: trap,
  valueOf: trap,
  [Symbol.toPrimitive]: trap,
  get [Symbol.toStringTag]() {
    return trap();
  },
  get then() {
    return trap();
  },
  get constructor() {
    return trap();
  },
  get [Symbol.iterator]() {
    return trap();
  },
};
const handler = Object.fromEntries(Object.getOwnPropertyNames(Reflect).map((name) => [name, trap]));
const proxy = new Proxy({}, handler);
const error = Object.defineProperty(new Error('quiet'), 'stack', { get: trap });
class Sneaky {
  static get name() {
    return trap();
  }
  static get [Symbol.species]() {
    return trap();
  }
  static [Symbol.hasInstance]() {
    return trap();
  }
}
Object.defineProperty(globalThis, 'lazyGlobal', {
  get: trap,
  configurable: true,
  enumerable: true,
});
const held = [bomb, proxy, error, new Sneaky(), Sneaky];
module.exports = {
  get exported() {
    return trap();
  },
  held,
};
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  console.log(turn, touched, held.length);
  if (turn < 45) return;
  clearInterval(timer);
  let caught = 0;
  for (const touch of [
    () => bomb.value,
    () => proxy.x,
    () => error.stack,
    () => `${bomb}`,
    () => lazyGlobal,
  ]) {
    try {
      touch();
    } catch {
      caught += 1;
    }
  }
  console.log('end', touched, caught);
}, 10);
