// Must survive: how long a timer still has to wait, which a move neither shortens nor starts again
// A timer of 700 ms that is moved fires at its own time: not before the 600th millisecond of the
// program's own time, and before a timer that had 500 ms to go when it was made 300 ms later.
const events = [];
setTimeout(() => events.push('first'), 700);
setTimeout(() => setTimeout(() => events.push('second'), 500), 300);
setTimeout(() => events.push('middle'), 500);
let ticks = 0;
const ticker = setInterval(() => {
  ticks += 1;
  console.log('tick', ticks % 5);
  if (ticks === 20) {
    clearInterval(ticker);
    events.push('ticks');
  }
}, 20);
setTimeout(() => {
  console.log('end', events.filter((event) => event !== 'ticks').join());
}, 1400);
