// Must survive: code made by eval and new Function in every scope, or it is refused
// may refuse: code from eval
const table = {};
for (const [name, body] of [
  ['twice', 'n * 2'],
  ['thrice', 'n * 3'],
]) {
  table[name] = new Function('n', `return ${body};`);
}
eval('var fromEval = 1; function declared() { return fromEval += 1; }');
const makers = [];
for (let i = 0; i < 3; i += 1) makers.push(eval('() => (i += 10)'));
const Class = eval('(class Made { #x = 1; grow() { return (this.#x += 1); } })');
const made = new Class();
const own = (0, eval)('globalThis.indirect = { n: 0 }; (() => (indirect.n += 1))');
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  const step = makers[turn % 3]();
  console.log(turn, table.twice(turn), table.thrice(turn), declared(), step, made.grow(), own());
  if (turn < 40) return;
  clearInterval(timer);
  console.log('end', fromEval, Class.name, indirect.n);
}, 10);
