// Must survive: variables made by every form of destructuring, assigned again by it later
const source = { a: 1, b: { c: [2, 3, { d: 4 }] }, 'odd key': 5, [Symbol.for('s')]: 6 };
let {
  a,
  b: {
    c: [first, , { d = 9 }],
  },
  'odd key': odd,
  [Symbol.for('s')]: symbol,
  missing: { deep = 'fallback' } = {},
} = source;
let [x, y = x, ...[z, ...rest]] = [1, undefined, 3, 4, 5];
function* endless() {
  for (let n = 0; ; n += 1) yield n;
}
const numbers = endless();
const target = { list: [], at: {} };
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  [x, y, z] = [y + 1, z, x];
  ({ a, length: d = a } = { a: a + d });
  [target.list[turn % 4], target.at[`k${turn % 3}`]] = [turn, x];
  for (const [index, { length }] of ['q', 'qq'].entries()) first += index * length;
  ({ a: odd, ...rest[0] } = { a: odd + 1, left: turn });
  console.log(turn, a, first, d, odd, symbol, deep, x, y, z, JSON.stringify([rest, target]));
  if (turn < 45) return;
  clearInterval(timer);
  console.log('end', JSON.stringify({ a, first, d, odd, x, y, z, rest, target }));
  console.log(numbers.next().value);
  process.exitCode = 12;
}, 22);
numbers.next();
