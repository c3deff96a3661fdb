// Must survive: promisified and callbackified functions, debug functions, inspect methods, deprecations
const util = require('node:util');
const assert = require('node:assert/strict');
const old = (n, done) =>
  setTimeout(() => (n % 5 ? done(null, n * 2) : done(new Error(`e${n}`))), 6);
const modern = util.promisify(old);
const back = util.callbackify(async (n) => {
  await modern(n + 1);
  return n;
});
class Point {
  constructor(x) {
    this.x = x;
  }
  [util.inspect.custom](depth, options) {
    return `Point<${this.x}>`;
  }
  static [util.promisify.custom]() {
    return Promise.resolve('custom');
  }
}
const point = new Point(0);
let warned = 0;
process.on('warning', () => (warned += 1));
const deprecated = util.deprecate(() => 'still works', 'do not use', 'CORPUS1');
process.removeAllListeners('warning');
process.noDeprecation = true;
async function main() {
  for (let turn = 1; turn <= 30; turn += 1) {
    point.x += turn;
    const doubled = await modern(turn).catch(({ message }) => message);
    const called = await new Promise((done) =>
      back(turn, (error, value) => done(error?.message ?? value)),
    );
    console.log(turn, doubled, called, util.format('%s %o %j', 'a', point, { turn }), deprecated());
    assert.deepEqual(new Map([[point, 1]]), new Map([[point, 1]]));
  }
  console.log(
    'end',
    await util.promisify(Point)(),
    util.isDeepStrictEqual({ a: 1 }, { a: 1 }),
    warned,
  );
}
main();
