// Must survive: proxies with their handlers, over objects, functions and each other; a revoked one stays so
const log = [];
const target = { a: 1, list: [] };
const watched = new Proxy(target, {
  get(object, key, receiver) {
    if (typeof key === 'string') log.push(`get ${key}`);
    return Reflect.get(object, key, receiver);
  },
  set(object, key, value, receiver) {
    log.push(`set ${key}`);
    return Reflect.set(object, key, value, receiver);
  },
  has: (object, key) => key.startsWith('virtual') || key in object,
  deleteProperty: (object, key) => key !== 'a' && delete object[key],
  ownKeys: (object) => [...Reflect.ownKeys(object), 'ghost'].filter((key) => key !== 'list'),
  getOwnPropertyDescriptor: (object, key) =>
    key === 'ghost'
      ? { value: 'boo', enumerable: true, configurable: true }
      : Reflect.getOwnPropertyDescriptor(object, key),
});
const twice = new Proxy(
  function (x) {
    return x + 1;
  },
  {
    apply: (fn, self, words) => fn(fn(...words)),
    construct: (fn, words) => ({ constructed: words.length }),
  },
);
const layered = new Proxy(watched, {});
const array = new Proxy([], {
  get: (list, key) => (key === '-1' ? list.at(-1) : Reflect.get(list, key)),
});
const { proxy: gone, revoke } = Proxy.revocable({ left: true }, {});
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  layered.a += turn;
  watched[`k${turn % 4}`] = turn;
  array.push(turn);
  if (turn === 15) revoke();
  let left;
  try {
    left = gone.left;
  } catch (error) {
    left = error.name;
  }
  console.log(
    turn,
    target.a,
    twice(turn),
    new twice(1, 2).constructed,
    array[-1],
    left,
    log.length,
  );
  if (turn < 45) return;
  clearInterval(timer);
  console.log(
    'end',
    JSON.stringify(watched),
    'virtualX' in watched,
    Reflect.deleteProperty(watched, 'a'),
  );
  console.log(Array.isArray(array), typeof twice, log.slice(-5).join());
}, 22);
