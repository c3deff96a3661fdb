// Must survive: immediates, cleared ones and those that are made by immediates
let rounds = 0;
const log = [];
let cleared = setImmediate(() => console.log('wrong'));
function round() {
  clearImmediate(cleared);
  rounds += 1;
  setImmediate((a, b) => log.push(a + b), rounds, 1);
  cleared = setImmediate(() => log.push('even'));
  if (rounds % 2) clearImmediate(cleared);
  if (rounds % 10 === 0) console.log(rounds, log.length, log.at(-1));
  if (rounds < 450) setTimeout(round, 0);
  else {
    clearImmediate(cleared);
    setImmediate(() =>
      console.log(
        'end',
        log.filter(Number).reduce((sum, n) => sum + n, 0),
        log.length,
      ),
    );
  }
}
function chain(left) {
  if (left > 0) setImmediate(chain, left - 1);
  else round();
}
chain(200);
