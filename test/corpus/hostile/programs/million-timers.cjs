// Must survive: a million timers, or it is refused in time
// may refuse: too many timers
let fired = 0;
const start = 60_000;
for (let n = 0; n < 1_000_000; n += 1) setTimeout(() => (fired += 1), start + (n % 1000));
console.log('ready');
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  console.log(turn, fired);
  if (turn < 60) return;
  console.log('end', fired, process.getActiveResourcesInfo().length > 1_000_000);
  process.exit(6);
}, 15);
