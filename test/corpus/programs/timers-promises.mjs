// Must survive: timers/promises: timeouts with values, an interval as async iterator, the scheduler
import {
  setInterval as every,
  setTimeout as after,
  setImmediate as soon,
  scheduler,
} from 'node:timers/promises';
const aborter = new AbortController();
const late = after(60_000, 'too late', { signal: aborter.signal, ref: false }).catch(
  ({ name, code }) => `${name} ${code}`,
);
let n = 0;
for await (const value of every(9, 'tick')) {
  n += 1;
  console.log(n, value);
  if (n === 25) break;
}
for (let round = 0; round < 15; round += 1) {
  const values = await Promise.all([after(6, `t${round}`), soon('soon'), after(3, 'first')]);
  await scheduler.wait(2);
  await scheduler.yield();
  console.log(values.join());
}
aborter.abort();
console.log('end', await late);
