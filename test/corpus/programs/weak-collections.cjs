// Must survive: WeakMap and WeakSet entries of live keys, WeakRefs and registries with live targets
const keys = Array.from({ length: 8 }, (_, id) => ({ id }));
const secrets = new WeakMap(keys.map((key) => [key, { secret: key.id * 11 }]));
const seen = new WeakSet([keys[0], keys[3]]);
const refs = keys.map((key) => new WeakRef(key));
const cleaned = [];
const registry = new FinalizationRegistry((held) => cleaned.push(held));
keys.forEach((key) => registry.register(key, `held ${key.id}`, key));
const chained = new WeakMap();
chained.set(secrets.get(keys[1]), keys[2]);
class Hidden {
  static #data = new WeakMap();
  constructor(n) {
    Hidden.#data.set(this, { n });
  }
  bump() {
    return (Hidden.#data.get(this).n += 1);
  }
}
const hidden = [new Hidden(10), new Hidden(20)];
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  const key = keys[turn % keys.length];
  secrets.get(key).secret += turn;
  if (turn % 5 === 0) seen.add(key);
  if (turn === 25) registry.unregister(keys[1]);
  console.log(
    turn,
    secrets.get(key).secret,
    seen.has(key),
    hidden[turn % 2].bump(),
    secrets.has({}),
  );
  if (turn < 45) return;
  clearInterval(timer);
  console.log(
    'end',
    refs.every((ref, index) => ref.deref() === keys[index]),
    cleaned.length,
  );
  console.log(chained.get(secrets.get(keys[1])).id, keys.map((key) => seen.has(key)).join());
}, 22);
