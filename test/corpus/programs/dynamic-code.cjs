// Must survive: functions made by eval and new Function, and the variables that a direct eval sees
// may refuse: code from eval
const add = new Function('a', 'b', 'return a + b + (this.bonus ?? 0)');
const indirect = eval;
const make = indirect('(start) => { let n = start; return () => (n += 2); }');
function withEval(start) {
  let local = start;
  return {
    read: (code) => eval(code),
    bump: eval('() => (local += 1)'),
  };
}
const AsyncFunction = (async () => {}).constructor;
const later = new AsyncFunction(
  'ms',
  'await new Promise((r) => setTimeout(r, ms)); return ms * 2;',
);
const GeneratorFunction = function* () {}.constructor;
const counting = new GeneratorFunction('for (let i = 0; ; i += 1) yield i;')();
const step = make(10);
const scope = withEval(5);
let turn = 0;
const run = async () => {
  while (turn < 40) {
    turn += 1;
    const waited = await later(4);
    scope.bump();
    console.log(turn, add.call({ bonus: turn }, 1, 2), step(), waited, counting.next().value);
    console.log(scope.read('local * 2'), add.toString().length);
  }
  console.log('end', scope.read('start + local'));
};
run();
