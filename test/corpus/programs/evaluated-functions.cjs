// Must survive: functions that a direct eval has made in a function and a module, and what they share with it
const log = [];
function wrap(fn, message) {
  const owner = this;
  let count = 0;
  const made = eval(`(function (a, b) {
    "use strict"
    count += 1;
    log.push([owner.n, message, count]);
    return fn.apply(this, arguments);
  })`);
  return { made, count: () => count };
}
const sum = wrap.call({ n: 1 }, (a, b) => a + b, 'sum');
const product = wrap.call({ n: 2 }, (a, b) => a * b, 'product');
let top = 5;
const bump = eval('(() => (top += 1))');
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  const [one, two] = [sum.made(turn, 2), product.made(turn, 2)];
  console.log(
    turn,
    one,
    two,
    bump(),
    top,

    sum.count(),
    sum.made.toString().length,
  );
  if (turn < 45) return;
  clearInterval(timer);
  console.log('end', JSON.stringify(log.slice(-4)), product.count());
}, 20);
