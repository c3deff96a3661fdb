// So many live objects as its argument says, of the kinds that programs are made of, with a heartbeat.
const { createHash } = require('node:crypto');
const wanted = Number(process.argv[2]);
class Position {
  constructor(x, y) {
    this.x = x;
    this.y = y;
  }
  get sum() {
    return this.x + this.y;
  }
}
const items = [];
const byName = new Map();
let objects = 3;
// Five objects each: the item, its position, two arrays, and every fifth time a Set, a Date or a closure.
for (let n = 0; objects < wanted; n += 1) {
  const item = {
    id: n,
    name: `item ${n}`,
    price: n * 1.25,
    position: new Position(n % 977, n / 3),
    tags: [`tag ${n % 50}`, 'common', n % 2 === 0],
    related: n === 0 ? [] : [items[n >> 1], items[n - 1]],
    seen: undefined,
  };
  objects += 4;
  if (n % 20 === 0) item.seen = new Set([n, item]);
  if (n % 20 === 5) item.seen = new Date(n * 1000);
  if (n % 20 === 10) item.seen = () => item.price * n;
  if (n % 20 === 15) item.seen = { of: item, at: [n] };
  objects += n % 5 === 0 ? 1 : 0;
  items.push(item);
  if (n % 4 === 0) byName.set(item.name, item);
}
const digest = () => {
  const hash = createHash('md5');
  for (const item of items) {
    const { id, name, price, position, tags, related, seen } = item;
    const far = related.map((each) => each.id);
    const told =
      seen instanceof Set
        ? [...seen].map((each) => each.id ?? each)
        : seen instanceof Date
          ? seen.getTime()
          : typeof seen === 'function'
            ? seen()
            : seen?.at;
    hash.update(
      JSON.stringify([
        id,
        name,
        price,
        position,
        position.sum,
        position.constructor === Position,
        tags,
        far,
        told,
      ]),
    );
  }
  return `${hash.digest('hex')} ${items.length} ${byName.size} ${byName.get('item 4') === items[4]}`;
};
const before = digest();
process.on('SIGUSR2', () => console.log(JSON.stringify({ whole: digest() === before })));
require('./heartbeat.cjs');
console.log(JSON.stringify({ ready: objects }));
