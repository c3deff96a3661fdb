// Must survive: the file, lines and columns that stack traces show for code of before the move
const { basename } = require('node:path');
const where = (error, count = 2) =>
  error.stack
    .split('\n')
    .filter((line) => line.includes(basename(__filename)))
    .slice(0, count)
    .map((line) => /:(\d+:\d+)\)?$/.exec(line)[1])
    .join(' ');
class Thing {
  method() {
    return new Error('method');
  }
  get accessor() {
    return new Error('accessor');
  }
  static make = () => new Error('static');
}
const nested = (() => () => {
  const closure = () => new Error('closure');
  return closure();
})();
const thing = new Thing();
function* generator() {
  while (true) yield new Error('generator');
}
const generated = generator();
const pause = (ms) => new Promise((done) => setTimeout(done, 2 * ms));
async function asynchronous() {
  await pause(2);
  return new Error('async');
}
async function main() {
  for (let turn = 0; turn < 30; turn += 1) {
    await pause(6);
    const errors = [thing.method(), thing.accessor, Thing.make(), nested(), generated.next().value];
    console.log(turn, errors.map((error) => where(error, 1)).join(' '));
    console.log(where(await asynchronous()));
  }
}
main().then(() => console.log('end'));
