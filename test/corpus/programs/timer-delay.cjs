// Must survive: how long a timer still has to wait, which a move neither shortens nor starts again
// A timer of 700 ms that is moved fires at its own time: before a timer that had 510 ms to go when it was made 300 ms
// later, and after one of 500 ms. All delays differ: Node.js keeps timers of one delay together, and one that is late
// takes others of its delay with it.
const events = [];
setTimeout(() => events.push('first'), 700);
setTimeout(() => setTimeout(() => events.push('second'), 510), 300);
setTimeout(() => events.push('middle'), 500);
let ticks = 0;
const ticker = setInterval(() => {
  ticks += 1;
  console.log('tick', ticks % 5);
  if (ticks === 20) clearInterval(ticker);
}, 20);
setTimeout(function end() {
  if (ticks < 20 || events.length < 3) setTimeout(end, 30);
  else console.log('end', events.join());
}, 1400);
