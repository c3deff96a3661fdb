// Must survive: lines of a file that are read through its FileHandle, and asked for a second time
import { open } from 'node:fs/promises';
import { writeFileSync } from 'node:fs';
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
writeFileSync('lines.txt', Array.from({ length: 30 }, (_, n) => `line ${n}`).join('\n'));
const file = await open('lines.txt');
const lines = file.readLines({ highWaterMark: 16, autoClose: false });
let closed = 0;
lines.on('close', () => (closed += 1));
const all = lines[Symbol.asyncIterator]();
for (let turn = 1; turn <= 20; turn += 1) {
  const { value } = await all.next();
  await pause(20);
  console.log(turn, value);
}
// It is the same iterator, which has not come to its end.
for await (const line of lines) {
  await pause(20);
  console.log(line.length, line);
}
await file.close();
console.log('end', closed, file.fd, lines.terminal, lines.line === '');
