// Must survive: a write stream to a file, with what it has buffered and its position
const fs = require('node:fs');
const { createHash } = require('node:crypto');
const stream = fs.createWriteStream('out.log', { highWaterMark: 64 });
const appended = fs.createWriteStream('more.log', { flags: 'a' });
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  stream.write(`line ${turn} ${'-'.repeat(turn)}\n`);
  appended.write(`${turn};`);
  console.log(turn);
  if (turn < 45) return;
  clearInterval(timer);
  stream.end('last\n');
  appended.end(() => {
    stream.close(() => {
      const hash = createHash('sha256').update(fs.readFileSync('out.log')).digest('hex');
      console.log('end', stream.bytesWritten, hash, fs.readFileSync('more.log', 'utf8'));
    });
  });
}, 22);
