// Must survive: a program that never comes to a safe point in time is refused and goes on
// may refuse: no safe point
let turn = 0;
const spin = (ms) => {
  const until = process.hrtime.bigint() + BigInt(ms) * 1_000_000n;
  while (process.hrtime.bigint() < until);
};
const next = () => {
  turn += 1;
  spin(30);
  console.log(turn);
  if (turn < 40) setTimeout(next, 0);
  else console.log('end');
};
next();
