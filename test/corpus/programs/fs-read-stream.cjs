// Must survive: a read stream of a file in the middle, with its position and what it has read ahead
const fs = require('node:fs');
const text = Array.from({ length: 3000 }, (_, n) => `row ${n}: ${(n * 7919) % 1000}`).join('\n');
fs.writeFileSync('in.txt', text);
const stream = fs.createReadStream('in.txt', { highWaterMark: 700, encoding: 'utf8', start: 5 });
let rows = 0;
let sum = 0;
let rest = '';
stream.on('data', (chunk) => {
  stream.pause();
  const lines = (rest + chunk).split('\n');
  rest = lines.pop();
  for (const line of lines) {
    rows += 1;
    sum += Number(line.split(': ')[1]);
  }
  console.log(rows, sum, stream.bytesRead);
  setTimeout(() => stream.resume(), 8);
});
stream.on('end', () => console.log('end', rows, sum, JSON.stringify(rest)));
stream.on('close', () => console.log('closed', stream.pending, stream.path));
