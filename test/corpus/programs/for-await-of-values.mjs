// Must survive: for await and yield* of asynchronous generators over what gives no promises: arrays, maps, generators
const pause = (ms, value) => new Promise((done) => setTimeout(done, 2 * ms, value));
async function* entries(map) {
  try {
    yield* map;
    yield* [...map.keys()].reverse();
  } finally {
    await pause(3);
    console.log('entries are over');
  }
}
function* doubled(values) {
  try {
    for (const value of values) console.log('asked', yield value * 2);
  } finally {
    console.log('doubled is over');
  }
}
async function main() {
  for await (const value of [pause(1, 'p'), 'q', pause(2, 'r'), 's']) {
    await pause(12);
    console.log(value);
  }
  const map = new Map(Array.from({ length: 8 }, (_, n) => [`key ${n}`, n]));
  const walk = entries(map);
  for await (const entry of walk) {
    await pause(7);
    console.log(String(entry));
    if (entry === 'key 2') map.delete('key 1');
  }
  for await (const value of doubled([1, 2, 3, 4, 5, 6])) {
    for await (const each of new Set([value, value + 1])) {
      await pause(9);
      console.log(value, each);
    }
    if (value === 8) break;
  }
}
main().then(() => {
  console.log('end');
  process.exitCode = 3;
});
