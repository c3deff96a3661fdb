// Must survive: a program that replaces Promise, Map and Function.prototype.toString with its own
const NativePromise = Promise;
const nativeToString = Function.prototype.toString;
let made = 0;
globalThis.Promise = class Promise extends NativePromise {
  constructor(executor) {
    super(executor);
    made += 1;
  }
};
globalThis.Map = class Map {
  #pairs = [];
  set(key, value) {
    this.#pairs.push([key, value]);
    return this;
  }
  get size() {
    return -this.#pairs.length;
  }
};
Function.prototype.toString = function toString() {
  return `text of ${this.name}: ${nativeToString.call(this).length}`;
};
const nativePush = Array.prototype.push;
let pushes = 0;
Array.prototype.push = function push(...items) {
  if (pushes >= 0) pushes += 1;
  return nativePush.apply(this, items);
};
Object.defineProperty(Object.prototype, 'inherited', { get: () => 'by all', configurable: true });
JSON.stringify = () => 'no JSON here';
Reflect.ownKeys = () => [];
Array.from = () => ['not from'];
Object.keys = () => ['no keys'];
Symbol.prototype.toString = () => 'no symbol';
WeakMap.prototype.get = () => 'nothing';
const own = new Map().set('a', 1);
let turn = 0;
(async () => {
  const list = [];
  while (turn < 40) {
    turn += 1;
    await new Promise((done) => setTimeout(done, 8));
    list.push(turn);
    own.set(turn, turn);
    console.log(
      turn,
      own.size,
      String(list.push),
      {}.inherited,
      JSON.stringify(1),
      Array.from([1])[0],
    );
  }
  console.log('end', made > 40, list.length, Object.keys({})[0], Reflect.ownKeys({ a: 1 }).length);
})();
