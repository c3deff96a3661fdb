// Must survive: a hook that is told of all that the program makes
// refuses: hook
const { createHook } = require('node:async_hooks');
const made = new Map();
createHook({
  init: (id, type) => made.set(type, (made.get(type) ?? 0) + 1),
}).enable();
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  setTimeout(() => console.log(turn, made.get('Timeout') > turn), 2);
  if (turn < 30) return;
  clearInterval(timer);
  setTimeout(() => console.log('end', turn), 20);
}, 14);
