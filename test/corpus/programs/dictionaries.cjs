// Must survive: objects of many properties, their order, attributes and prototypes, and what looks like them but is not
const fill = (object, count) => {
  for (let index = 0; index < count; index += 1)
    object[index % 7 === 0 ? String(count - index) : `key ${(index * 7) % count}`] = index;
  return object;
};
const words = fill({}, 60);
const bare = fill(Object.create(null), 60);
const large = fill({}, 3_000);
const inherited = fill(Object.create({ 'key 1': 'of the prototype' }), 40);
const odd = JSON.parse('{"__proto__": {"not": "the prototype"}, "toString": 1, "constructor": 2}');
fill(odd, 30);
const cut = fill({}, 40);
delete cut['key 3'];
cut['key 3'] = 'last';
const sealed = Object.seal(fill({}, 30));
const closed = Object.preventExtensions(fill({}, 30));
const mixed = fill({}, 30);
Object.defineProperty(mixed, 'key 2', { enumerable: false, configurable: true });
Object.defineProperty(mixed, 'sum', {
  get: () => words['key 4'] + bare['key 4'],
  enumerable: true,
});
mixed[Symbol.for('mark')] = 'by symbol';
const calls = fill({}, 20);
for (let index = 0; index < 20; index += 1) calls[`call ${index}`] = () => index + words['key 1'];
function Many() {}
Many.prototype = fill({ constructor: Many }, 30);
Many.prototype.tell = function () {
  return `${this['key 5']} told`;
};
class Bare {}
delete Bare.prototype.constructor;
fill(Bare.prototype, 30);
class Noisy {
  say() {
    return `said ${this['key 2']}`;
  }
}
Object.defineProperty(Noisy.prototype, 'say', { enumerable: true });
fill(Noisy.prototype, 30);
const shared = { deep: 0 };
words.shared = shared;
bare.shared = shared;
// Weak references that hide what they are, and objects that look like them.
const stripped = Object.setPrototypeOf(new WeakRef(shared), null);
const disguised = Object.setPrototypeOf(new WeakRef(shared), Object.prototype);
const lookalikes = Array.from({ length: 12 }, (_, index) => ({ [`only ${index}`]: index, shared }));
const deref = WeakRef.prototype.deref;
const holes = [1, , shared, , 5];
const listed = [shared, [shared], [], ['text', 2.5, null, undefined]];
const records = Array.from({ length: 200 }, (_, id) => ({ id, fd: id % 3, on: shared }));
const made = Array.from({ length: 20 }, (_, id) => ({ constructor: Many, id }));
const digest = (object) => {
  let sum = 0;
  for (const key of Reflect.ownKeys(object)) {
    const { value, enumerable, writable, configurable } = Object.getOwnPropertyDescriptor(
      object,
      key,
    );
    const text = `${String(key)}${typeof value === 'object' ? '' : typeof value}${enumerable}${writable}${configurable}`;
    for (const letter of text) sum = (sum * 31 + letter.charCodeAt(0)) % 1_000_003;
    if (typeof value === 'number') sum = (sum + value) % 1_000_003;
  }
  return sum;
};
const all = { words, bare, large, inherited, odd, cut, sealed, closed, mixed, calls };
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  shared.deep += 1;
  words[`turn ${turn % 9}`] = turn;
  large['key 8'] += turn;
  delete bare[`key ${turn}`];
  console.log(
    turn,
    digest(words),
    digest(bare),
    new Many().tell(),
    new Noisy().say(),
    calls['call 7'](),
  );
  if (turn < 40) return;
  clearInterval(timer);
  for (const [name, object] of Object.entries(all))
    console.log(name, digest(object), Object.isExtensible(object), Object.isSealed(object));
  console.log(
    Object.getPrototypeOf(bare) === null,
    inherited['key 1'],
    Object.getPrototypeOf(odd) === Object.prototype,
    JSON.stringify(Object.getOwnPropertyDescriptor(odd, '__proto__').value),
    mixed.sum,
    mixed[Symbol.for('mark')],
    Object.keys(cut).at(-1),
  );
  console.log(digest(Bare.prototype), new Bare()['key 6'], 'constructor' in Bare.prototype);
  console.log(digest(Many.prototype), digest(Noisy.prototype), words.shared === bare.shared);
  console.log(deref.call(stripped) === shared, deref.call(disguised) === shared);
  console.log(
    lookalikes.every((each, index) => each[`only ${index}`] === index && each.shared === shared),
  );
  console.log(
    1 in holes,
    3 in holes,
    holes[2] === shared,
    listed[1][0] === shared,
    listed[3].length,
  );
  console.log(
    'end',
    records.reduce((sum, each) => sum + each.id * each.fd, 0),
    made.every((each) => each.constructor === Many),
  );
}, 10);
