// Must survive: promises as values: kept, shared, never settled, waited for by many, and their resolvers
const pause = (ms) => new Promise((done) => setTimeout(done, 2 * ms));
const deferred = () => {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};
const never = new Promise(() => {});
const cache = new Map();
let loads = 0;
const load = (key) => {
  if (!cache.has(key)) {
    loads += 1;
    cache.set(
      key,
      pause(15).then(() => ({ key, loads })),
    );
  }
  return cache.get(key);
};
class Latch {
  #waiting = [];
  wait() {
    const { promise, resolve } = deferred();
    this.#waiting.push(resolve);
    return promise;
  }
  release(value) {
    for (const resolve of this.#waiting.splice(0)) resolve(value);
  }
}
class Mutex {
  #tail = Promise.resolve();
  run(work) {
    const result = this.#tail.then(work);
    this.#tail = result.then(
      () => {},
      () => {},
    );
    return result;
  }
}
async function main() {
  const latch = new Latch();
  const mutex = new Mutex();
  const woken = [];
  let inside = 0;
  for (let id = 0; id < 6; id += 1) latch.wait().then((value) => woken.push(`${id}${value}`));
  const jobs = Array.from({ length: 14 }, (_, id) =>
    mutex.run(async () => {
      inside += 1;
      await pause(8);
      console.log('job', id, inside);
      inside -= 1;
      if (id % 5 === 4) throw new Error(`job ${id}`);
      return id;
    }),
  );
  const results = await Promise.allSettled(jobs);
  for (let turn = 0; turn < 10; turn += 1) {
    const both = await Promise.all([load(`k${turn % 3}`), load(`k${turn % 2}`)]);
    cache.delete(`k${turn % 3}`);
    console.log('loads', both.map(({ key }) => key).join());
    if (turn === 6) latch.release('!');
  }
  console.log(results.map(({ value, reason }) => value ?? reason.message).join(), woken.join());
  const same = Promise.resolve(never) === never;
  console.log('end', same, inside);
}
main();
