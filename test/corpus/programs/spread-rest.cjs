// Must survive: what rest and spread made: copies that are no longer tied to their source
const collect = (first, ...rest) => ({ first, rest, more: (...others) => rest.push(...others) });
const holes = [1, , 3];
const copies = [];
const bags = [collect(...'abc'), collect(...new Set([1, 1, 2])), collect(...holes)];
const base = {
  a: 1,
  get b() {
    return this.a * 2;
  },
  [Symbol.for('hidden')]: 'h',
};
Object.defineProperty(base, 'invisible', { value: 'i', enumerable: false });
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  base.a += 1;
  if (turn % 8 === 0) copies.push({ ...base, own: turn, ...(turn % 16 ? null : { a: 'over' }) });
  bags[turn % 3].more(...[turn, turn * 2].slice(turn % 2));
  const most = Math.max(...bags.map(({ rest }) => rest.length));
  console.log(turn, most, [...holes, ...bags[0].rest.slice(-2)].map(String).join());
  if (turn < 50) return;
  clearInterval(timer);
  console.log('end', JSON.stringify(copies), copies[0][Symbol.for('hidden')], copies[0].invisible);
  console.log(JSON.stringify(bags), 1 in holes, 1 in bags[2].rest);
}, 20);
