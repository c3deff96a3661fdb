// Must survive: the scope of parameters with defaults, which is not the scope of the body
let shared = 1;
function counter(start = shared, read = () => start, write = (value) => (start = value)) {
  var start;
  start += 1000;
  return { read, write, body: () => start, grow: () => (start += 1) };
}
const chain = (a, b = a + 1, c = () => a + b, ...rest) => ({
  sum: () => c() + rest.length,
  set: (value) => ([a, b] = [value, value * 2]),
});
const keyed =
  ({ name = 'none', [name]: inner = name.length, ...others } = {}) =>
  () =>
    `${name}/${inner}/${Object.keys(others).join()}`;
const counters = [counter(), counter(5), counter(undefined)];
const chains = [chain(1), chain(2, 3), chain(4, 5, undefined, 6, 7)];
const names = [keyed(), keyed({ name: 'x', x: 3, y: 4 }), keyed({ name: 'long' })];
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  shared += turn;
  const one = counters[turn % counters.length];
  one.grow();
  one.write(turn);
  chains[turn % 3].set(turn);
  if (turn % 15 === 0) counters.push(counter());
  console.log(
    turn,
    counters.map(({ read, body }) => `${read()}:${body()}`).join(' '),
    chains.map(({ sum }) => sum()).join(),
    names.map((name) => name()).join(),
  );
  if (turn < 45) return;
  clearInterval(timer);
  console.log('end', shared, counters.length);
}, 22);
