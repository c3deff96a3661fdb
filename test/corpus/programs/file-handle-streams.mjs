// Must survive: streams and lines that are read from FileHandle objects, and what is written through them
import { open } from 'node:fs/promises';
import {
  openSync,
  createReadStream,
  createWriteStream,
  writeFileSync,
  readFileSync,
} from 'node:fs';
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const rows = Array.from({ length: 40 }, (_, n) => `row ${n} ${'x'.repeat(n)}`);
writeFileSync('rows.txt', rows.join('\n'));
const source = await open('rows.txt');
const target = await open('copy.txt', 'ax+');
const output = target.createWriteStream({ encoding: 'latin1' });
let letters = 0;
for await (const line of source.readLines({ highWaterMark: 50 })) {
  letters += line.length;
  output.write(`${line}\n`);
  if (letters % 3 === 0) await pause(12);
  console.log(letters, line.slice(0, 6));
}
output.end();
await new Promise((done) => output.on('close', done));
console.log('copied', output.bytesWritten, target.fd, readFileSync('copy.txt', 'utf8').length);
const again = await open('rows.txt', 'r+');
const part = again.createReadStream({ start: 30, end: 300, highWaterMark: 40 });
await again.write('OVER');
for await (const chunk of part) {
  await pause(15);
  console.log('part', String(chunk).length, chunk.toString('utf8', 0, 9));
}
const descriptor = openSync('rows.txt', 'r');
const borrowed = createReadStream(undefined, { fd: descriptor, highWaterMark: 128, start: 400 });
const inPlace = createWriteStream('rows.txt', { flags: 'r+', start: 20 });
for await (const chunk of borrowed) {
  inPlace.write(`<${chunk.length}>`);
  await pause(15);
  console.log('borrowed', chunk.length);
}
inPlace.end();
await new Promise((done) => inPlace.on('close', done));
console.log('end', readFileSync('rows.txt', 'utf8').slice(0, 90).replaceAll('\n', '|'));
