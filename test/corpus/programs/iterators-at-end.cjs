// Must survive: iterators that have given all that there is, and give what is added later, unless they were told of the end
const map = new Map([['a', 1]]);
const set = new Set([{ id: 'first' }]);
const list = ['x'];
const kinds = {
  entries: map.entries(),
  keys: map.keys(),
  values: map.values(),
  members: set.values(),
  pairs: set.entries(),
  elements: list.values(),
};
const over = { map: map.keys(), set: set.values(), list: list.keys() };
for (const iterator of Object.values(kinds)) iterator.next();
for (const iterator of Object.values(over)) while (!iterator.next().done);
const alone = new Set([1, 2, 3]).values();
alone.next();
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  console.log(turn, map.size, set.size, list.length);
  if (turn % 15 > 0) return;
  map.set(`added ${turn}`, turn).delete('a');
  set.add(`added ${turn}`);
  list.push(turn);
  for (const [kind, iterator] of Object.entries(kinds)) {
    console.log(kind, JSON.stringify(iterator.next()));
  }
  for (const [kind, iterator] of Object.entries(over)) {
    console.log(kind, 'is over', JSON.stringify(iterator.next()));
  }
  console.log('alone', JSON.stringify(alone.next()));
  if (turn < 60) return;
  clearInterval(timer);
  console.log('end', [...map.keys()].join(), [...kinds.keys].length);
}, 15);
