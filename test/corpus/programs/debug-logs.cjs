// Must survive: what util.debuglog makes, used before the move and not yet used
const { debuglog } = require('node:util');
const used = debuglog('corpus-quiet');
const fresh = debuglog('corpus-fresh', (log) => console.log('set up', typeof log));
const logs = new Map([
  ['used', used],
  ['fresh', fresh],
]);
used('nobody reads this %d', 1);
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  used('turn %d', turn);
  console.log(turn, used.enabled, logs.get('used') === used, typeof fresh, fresh.name);
  if (turn < 30) return;
  clearInterval(timer);
  fresh('for the first time');
  console.log('end', fresh.enabled, Object.keys(used).join());
}, 12);
