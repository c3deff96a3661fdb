// Must survive: for await over the lines of a readline interface
// input: first;second;third;fourth;fifth;sixth;seventh;eighth;ninth;last
import { createInterface } from 'node:readline/promises';
const lines = createInterface({ input: process.stdin, terminal: false });
const seen = [];
console.log('? 1');
for await (const line of lines) {
  seen.push(line.length);
  console.log(seen.length, line.toUpperCase());
  if (line === 'last') break;
  await new Promise((done) => setTimeout(done, 90));
  console.log('?', seen.length + 1);
}
process.stdin.destroy();
console.log('end', seen.join());
