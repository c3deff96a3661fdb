// Must survive: a string of a hundred megabytes
const { createHash } = require('node:crypto');
const text = 'ten bytes.'.repeat(10_000_000) + String(process.argv.length);
const wide = `${'ü€'.repeat(500_000)}😀`;
const digest = () => createHash('md5').update(text).digest('hex');
const before = digest();
console.log('ready', text.length, wide.length);
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  console.log(turn, text.charCodeAt(turn * 1000));
  if (turn < 60) return;
  clearInterval(timer);
  console.log('end', digest() === before, text.length, wide.length, wide.endsWith('😀'));
}, 15);
