// Must survive: a generator that stands inside for…of over arrays, maps, sets, strings and generators
const table = new Map([
  ['one', 1],
  ['two', 2],
  ['three', 3],
]);
const set = new Set(['red', 'green', 'blue']);
function* squares(list) {
  for (const n of list) yield n * n;
}
function* everything() {
  for (let round = 0; ; round += 1) {
    for (const [key, value] of table) yield `${round}${key}=${value}`;
    for (const colour of set) yield colour;
    for (const character of 'añ😀') yield character;
    for (const [index, square] of [...squares([1, 2, 3])].entries()) yield index * square;
    for (const square of squares([4, 5])) yield square;
    for (const key in { k: 1, l: 2 }) yield key;
  }
}
const all = everything();
const paused = squares([6, 7, 8]);
paused.next();
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  if (turn === 20) table.set('four', 4);
  if (turn === 30) set.delete('green');
  console.log(turn, all.next().value);
  if (turn < 60) return;
  clearInterval(timer);
  console.log('end', [...paused].join(), all.return().done);
}, 17);
