// Must survive: for await over async generators, arrays of promises and iterators of one's own
const pause = (ms, value) => new Promise((done) => setTimeout(done, 2 * ms, value));
async function* source(name, count) {
  for (let n = 0; n < count; n += 1) {
    await pause(4);
    yield { name, n };
  }
}
class Countdown {
  #left;
  closed = false;
  constructor(from) {
    this.#left = from;
  }
  [Symbol.asyncIterator]() {
    return {
      next: async () => {
        await pause(3);
        this.#left -= 1;
        return this.#left < 0 ? { done: true } : { value: this.#left, done: false };
      },
      return: async () => {
        await pause(3);
        this.closed = true;
        return { done: true };
      },
    };
  }
}
async function main() {
  let total = 0;
  for await (const { name, n } of source('s', 20)) {
    total += n;
    await pause(2);
    console.log(name, n, total);
  }
  for await (const value of [pause(6, 'x'), 'y', pause(2, 'z')]) console.log(value);
  const down = new Countdown(20);
  outer: for await (const left of down) {
    for await (const { n } of source('inner', 3)) {
      if (n === 1 && left % 2 === 0) continue outer;
      if (left === 8) break outer;
      console.log(left, n);
    }
  }
  console.log('closed', down.closed);
  try {
    for await (const left of new Countdown(5)) {
      if (left === 2) throw new Error(`at ${left}`);
    }
  } catch (error) {
    console.log('caught', error.message);
  }
  return total;
}
main().then((total) => {
  console.log('end', total);
  process.exitCode = 17;
});
