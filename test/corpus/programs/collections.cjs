// Must survive: maps and sets with their order, keys of every kind, and iterators in progress
const object = { id: 'key' };
const fn = () => 'fn';
const map = new Map([
  [object, 'object'],
  [fn, 'function'],
  [NaN, 'nan'],
  [0, 'zero'],
  [undefined, 'undefined'],
  ['s', 'string'],
  [Symbol.for('k'), 'symbol'],
]);
const set = new Set([1, '1', object, null]);
set.add(set);
map.set(map, 'itself');
map.note = 'own property';
const entries = map.entries();
const values = set.values();
const array = [10, 20, 30];
const positions = array.entries();
const letters = 'a😀b'.repeat(12)[Symbol.iterator]();
const spent = new Set([1]).keys();
spent.next();
spent.next();
const show = (value) => (typeof value === 'object' && value !== null ? 'obj' : String(value));
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  if (turn % 3 === 0) map.set(`n${turn}`, turn);
  if (turn === 10) map.delete(0);
  if (turn % 4 === 0) set.add(turn * 10);
  if (turn === 12) set.delete('1');
  if (turn % 5 === 0) array.push(turn);
  const entry = entries.next().value ?? ['over', ''];
  console.log(turn, entry.map(show).join('='), show(values.next().value));
  console.log(String(positions.next().value), letters.next().value);
  if (turn < 40) return;
  clearInterval(timer);
  console.log(
    'end',
    [...map.values()].join(),
    [...set].map(show).join(),
    map.get(object),
    map.note,
  );
  console.log(map.get(map), set.has(set), spent.next().done, map.get(NaN), [...letters].length);
}, 22);
