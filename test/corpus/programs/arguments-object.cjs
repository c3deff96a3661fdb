// Must survive: arguments objects, mapped to their parameters or not
// may refuse: arguments mapped to parameters
function sloppy(a, b) {
  const own = arguments;
  return {
    setA: (value) => (a = value),
    setFirst: (value) => (own[0] = value),
    read: () => `${a},${b},${own[0]},${own[1]},${own.length}`,
  };
}
function strict(a) {
  'use strict';
  const own = arguments;
  return { setA: (value) => (a = value), read: () => `${a},${own[0]},${own.length}` };
}
function kept() {
  return arguments;
}
const mapped = sloppy(1, 2, 3);
const unmapped = strict('x', 'y');
const list = kept('p', 'q', 'r');
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  if (turn % 3 === 0) mapped.setA(turn);
  if (turn % 5 === 0) mapped.setFirst(-turn);
  if (turn % 7 === 0) unmapped.setA(turn);
  list[turn % 3] += turn % 10;
  console.log(turn, mapped.read(), unmapped.read(), Array.from(list).join());
  if (turn < 45) return;
  clearInterval(timer);
  console.log('end', Object.prototype.toString.call(list), typeof list.callee, list.length);
}, 20);
