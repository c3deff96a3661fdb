// Must survive: chains of suspended async functions that call each other, some of them side by side
const pause = (ms, value) => new Promise((done) => setTimeout(done, 2 * ms, value));
const results = [];
async function leaf(name, rounds) {
  let sum = 0;
  for (let round = 1; round <= rounds; round += 1) {
    const got = await pause(4 + (round % 3), round);
    sum += got;
  }
  return `${name}${sum}`;
}
async function branch(name, depth) {
  if (depth === 0) return leaf(name, 3);
  const left = await branch(`${name}l`, depth - 1);
  const right = branch(`${name}r`, depth - 1);
  const waited = await right;
  return `(${left} ${waited})`;
}
async function recursive(n) {
  if (n === 0) return [];
  await pause(3);
  const rest = await recursive(n - 1);
  await null;
  rest.push(n);
  console.log('back at', n);
  return rest;
}
const worker = async (id, queue) => {
  const done = [];
  let job;
  while ((job = queue.shift()) !== undefined) {
    const result = await leaf(`w${job}`, 1 + (job % 3));
    done.push(result);
    results[job] = result;
  }
  return { id, handled: done.length > 0 };
};
async function main() {
  console.log(await branch('t', 3));
  console.log((await recursive(15)).join());
  const queue = Array.from({ length: 12 }, (_, job) => job);
  const workers = ['a', 'b', 'c'].map((id) => worker(id, queue));
  for (const one of workers) console.log(JSON.stringify(await one));
  return results.join();
}
main().then(
  (value) => {
    console.log('end', value);
    process.exitCode = 30;
  },
  (error) => console.log('failed', error),
);
