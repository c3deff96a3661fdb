// Must survive: immediates, which run in their order and before any timer, cleared ones and those that are made by immediates
let rounds = 0;
const log = [];
let late;
function chain(left) {
  // It still waits, behind this one.
  clearImmediate(late);
  if (left === 0) {
    setTimeout(round, 0);
    return;
  }
  setImmediate(chain, left - 1);
  late = setImmediate(() => log.push('late'));
}
function round() {
  rounds += 1;
  const number = rounds;
  // Made by a timer: the next one comes after them, however long that takes.
  setImmediate((a, b) => log.push(a + b), rounds, 1);
  const even = setImmediate(() => log.push('even'));
  if (rounds % 2) clearImmediate(even);
  if (rounds % 10 === 0) setImmediate(() => console.log(number, log.length, log.at(-1)));
  if (rounds < 450) {
    setImmediate(chain, 3);
    return;
  }
  setImmediate(() =>
    console.log(
      'end',
      log.filter(Number).reduce((sum, n) => sum + n, 0),
      log.length,
    ),
  );
}
chain(200);
