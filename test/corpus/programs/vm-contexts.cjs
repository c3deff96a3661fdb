// Must survive: scripts and functions of another vm context, or it is refused
// may refuse: vm context
const vm = require('node:vm');
const sandbox = vm.createContext({ count: 0, out: [] });
const script = new vm.Script('count += step; out.push(count); count');
vm.runInContext('var grow = (by) => { this.step = by; return [by]; }', sandbox);
const here = vm.runInThisContext('(a) => a * 2', { filename: 'here.js' });
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  const made = sandbox.grow(turn);
  console.log(turn, script.runInContext(sandbox), made instanceof Array, here(turn));
  if (turn < 40) return;
  clearInterval(timer);
  console.log('end', sandbox.out.length, sandbox.out.at(-1));
}, 22);
