// Must survive: pipelines of streams and async generators, and streams that are iterated
import { pipeline } from 'node:stream/promises';
import { Readable, Duplex, Transform, finished } from 'node:stream';
const pause = (ms) => new Promise((done) => setTimeout(done, 2 * ms));
async function* numbers(limit) {
  for (let n = 1; n <= limit; n += 1) {
    await pause(5);
    yield n;
  }
}
const seen = [];
await pipeline(
  numbers(30),
  async function* (source) {
    for await (const n of source) if (n % 2) yield `${n * n},`;
  },
  new Transform({
    transform(chunk, encoding, done) {
      setTimeout(done, 3, null, String(chunk).toUpperCase());
    },
  }),
  async (source) => {
    for await (const chunk of source) {
      seen.push(String(chunk));
      console.log('piece', String(chunk));
    }
  },
);
const readable = Readable.from(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
readable.own = { kept: true };
for await (const item of readable) {
  await pause(10);
  console.log('item', item, readable.own.kept);
}
const summing = Duplex.from(async function (source) {
  let sum = 0;
  for await (const chunk of source) sum += Number(chunk);
  console.log('sum', sum);
});
finished(summing, (error) => console.log('end', seen.join(''), error === undefined));
for (const n of [1, 2, 3, 4]) {
  summing.write(String(n));
  await pause(20);
}
summing.end();
