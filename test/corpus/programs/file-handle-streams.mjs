// Must survive: streams and lines that are read from FileHandle objects, and what is written through them
import { open, readFile } from 'node:fs/promises';
import {
  openSync,
  createReadStream,
  createWriteStream,
  writeFileSync,
  readFileSync,
} from 'node:fs';
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
writeFileSync(
  'rows.txt',
  Array.from({ length: 40 }, (_, n) => `row ${n} ${'x'.repeat(n)}`).join('\n'),
);
const source = await open('rows.txt');
const target = await open('copy.txt', 'ax+');
const output = target.createWriteStream({ autoClose: false, encoding: 'latin1' });
let letters = 0;
for await (const line of source.readLines({ highWaterMark: 50 })) {
  letters += line.length;
  output.write(`${line}\n`);
  if (letters % 3 === 0) await pause(12);
  console.log(letters, line.slice(0, 6), source.fd === -1);
}
await new Promise((done) => output.end(done));
console.log(
  'copied',
  (await target.stat()).size,
  (await readFile('copy.txt', 'utf8')) === readFileSync('rows.txt', 'utf8') + '\n',
);
const again = await open('rows.txt', 'r+');
const part = again.createReadStream({ start: 30, end: 300, highWaterMark: 40, autoClose: false });
for await (const chunk of part) {
  await pause(15);
  console.log('part', part.bytesRead, String(chunk).length, again.fd > 2);
}
await again.write('OVER', 5);
await again.close();
const descriptor = openSync('rows.txt', 'r');
const borrowed = createReadStream(undefined, { fd: descriptor, highWaterMark: 128, start: 64 });
const inPlace = createWriteStream('rows.txt', { flags: 'r+', start: 20 });
for await (const chunk of borrowed) {
  inPlace.write(`<${chunk.length}>`);
  await pause(15);
  console.log('borrowed', chunk.length, inPlace.bytesWritten);
}
inPlace.end();
await new Promise((done) => inPlace.on('close', done));
await target.close();
console.log('end', readFileSync('rows.txt', 'utf8').slice(0, 90).replaceAll('\n', '|'));
