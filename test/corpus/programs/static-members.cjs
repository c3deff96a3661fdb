// Must survive: static fields, private statics and what static blocks left behind; none of them runs again
const order = [];
class Registry {
  static #entries = new Map();
  static count = order.push('count');
  static {
    order.push('block 1');
    this.started = order.length;
  }
  static #next = 1;
  static kinds = ['a', 'b'].map((kind) => `${kind}${this.count}`);
  static {
    const secret = order.push('block 2');
    Registry.tell = () => `secret ${secret} of ${this.name}`;
  }
  static add(value) {
    this.#entries.set((Registry.#next += 1), value);
    return Registry.#size;
  }
  static get #size() {
    return Registry.#entries.size;
  }
  static set limit(value) {
    for (const key of Registry.#entries.keys()) if (key < value) Registry.#entries.delete(key);
  }
  static list = () => [...Registry.#entries.values()].join();
}
class Special extends Registry {
  static count = super.count + 100;
  static tell() {
    return `special ${super.tell()}`;
  }
}
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  const size = Registry.add(turn * turn);
  Registry.count += 1;
  if (turn % 10 === 0) Special.limit = turn - 3;
  console.log(turn, size, Registry.list(), Registry.count, Special.count, Special.tell());
  if (turn < 45) return;
  clearInterval(timer);
  console.log('end', order.join(), Registry.kinds.join(), Registry.started, Special.started);
  process.exitCode = 3;
}, 22);
