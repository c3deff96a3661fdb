// Must survive: a module that is suspended at await on its top level
const pause = (ms, value) => new Promise((done) => setTimeout(done, 2 * ms, value));
const first = await pause(20, { n: 1 });
let total = 0;
for (let turn = 0; turn < 30; turn += 1) {
  total += await pause(8, turn);
  console.log(turn, total, first.n);
  try {
    if (turn % 9 === 8) await Promise.reject(new Error(`turn ${turn}`));
  } catch ({ message }) {
    first.n += await pause(4, 10);
    console.log('caught', message);
  }
}
for await (const part of (async function* () {
  for (const letter of 'abcde') yield await pause(6, letter);
})()) {
  console.log('part', part);
}
const last = await Promise.all([pause(10, 'x'), pause(5, 'y')]);
export default total;
console.log('end', last.join(), total, typeof first);
process.exitCode = total % 100;
