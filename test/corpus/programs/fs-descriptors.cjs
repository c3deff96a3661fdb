// Must survive: open file descriptors with their numbers, positions and flags
const fs = require('node:fs');
fs.writeFileSync('data.bin', Buffer.from(Array.from({ length: 400 }, (_, n) => n % 251)));
const reader = fs.openSync('data.bin', 'r');
const writer = fs.openSync('copy.bin', 'w+');
const appender = fs.openSync('log.txt', 'a');
const buffer = Buffer.alloc(9);
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  const count = fs.readSync(reader, buffer, 0, 9, null);
  fs.writeSync(writer, buffer, 0, count);
  fs.writeSync(appender, `${turn}:${count} `);
  if (turn === 20) fs.ftruncateSync(writer, 50);
  console.log(turn, count, fs.fstatSync(writer).size, buffer.toString('hex', 0, 3));
  if (turn < 45) return;
  clearInterval(timer);
  for (const fd of [reader, writer, appender]) fs.closeSync(fd);
  console.log('end', fs.readFileSync('copy.bin').toString('base64'));
  console.log(fs.readFileSync('log.txt', 'utf8'));
}, 22);
