// Must survive: suspended functions whose variables closures share, again and again, in loops and branches of every kind
const { Readable } = require('node:stream');
const pause = (ms, value) => new Promise((done) => setTimeout(done, 2 * ms, value));
async function streamed() {
  let total = 0;
  const read = () => total;
  for await (const n of Readable.from([1, 2, 3, 4])) {
    await pause(9);
    total += n;
    console.log('streamed', read());
  }
}
async function tried(from = 1, label = `from ${from}`) {
  for (let i = from; i < 5; i += 1) {
    try {
      await pause(3);
      if (i % 2 === 0) throw new Error(`${label}: ${i}`);
    } catch (error) {
      await pause(4);
      console.log(error.message);
    } finally {
      const again = () => i;
      await pause(4);
      console.log('tried', again());
    }
  }
}
async function switched(k, { deep = 4, ...rest }) {
  let n = deep;
  const read = () => n + k;
  switch (k) {
    case 1: {
      const y = 2;
      const add = () => (n += y);
      await pause(8);
      add();
    }
    // falls through
    case 2:
      await pause(8);
      n += 1;
      break;
    default:
  }
  const late = await pause(3, 'late');
  const tell = () => late + read();
  await pause(3);
  console.log('switched', tell(), JSON.stringify(rest));
}
async function labelled() {
  outer: for (const a of [1, 2, 2]) {
    for (const b of [4, 5]) {
      const product = () => a * b;
      await pause(6);
      if (b === 5 && a === 2) continue outer;
      console.log('labelled', product());
    }
  }
}
async function taken() {
  for (const [key, { v, ...rest }] of Object.entries({ a: { v: 1, w: 2 }, b: { v: 3, z: 4 } })) {
    const both = () => key + v;
    await pause(8);
    console.log('taken', both(), JSON.stringify(rest));
  }
}
class Counter {
  #sum = 1;
  async count(...steps) {
    for (const step of steps) {
      const next = () => this.#sum + step;
      await pause(6);
      this.#sum = next();
      console.log('counted', this.#sum, steps.length);
    }
  }
}
async function made(round) {
  class Base {
    name = 'base';
  }
  await pause(6);
  class Late extends Base {
    round = round;
  }
  await pause(6);
  console.log('made', JSON.stringify(new Late()), new Late() instanceof Base);
}
async function joined(round) {
  const own = async () => pause(6, round);
  const all = await Promise.all([pause(3, 'a'), pause(8, 'b'), own()]);
  const late = pause(3).then(() => Promise.reject(new Error('late')));
  const settled = await Promise.allSettled([late, pause(6, 'c')]).finally(() => pause(5));
  console.log('joined', all.join(), settled.map(({ status }) => status).join());
}
function* waiting(first, second) {
  let x = first;
  const grow = () => (x += second);
  while (x < 9) yield grow();
}
function* given() {
  const more = yield arguments.length;
  yield more;
}
const begun = waiting(1, 2);
begun.next();
const [fresh, other, spent] = [waiting(4, 1), given('x', 'y'), waiting(9, 1)];
spent.next();
(async () => {
  for (let round = 0; round < 2; round += 1) {
    await streamed();
    await tried();
    await switched(1 + round, { deep: 5, z: round });
    await labelled();
    await taken();
    await new Counter().count(1, 2, 3);
    await made(round);
    await joined(round);
  }
  const values = [[...begun].join(), [...fresh].join(), other.next().value, other.next(7).value];
  console.log('end', values.join(';'), spent.next().done);
})();
