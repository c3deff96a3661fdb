// Must survive: what is written to the standard streams: in order, once, with callbacks
const { Console } = require('node:console');
const own = new Console({ stdout: process.stdout, stderr: process.stderr, groupIndentation: 1 });
let drained = 0;
let called = 0;
console.count('counted');
console.group('group');
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  process.stdout.write(`w${turn} `, () => (called += 1));
  process.stdout.cork();
  process.stdout.write('corked ');
  process.stdout.write(Buffer.from('bytes\n'));
  process.nextTick(() => process.stdout.uncork());
  if (turn % 10 === 0) process.stdout.write(`${'x'.repeat(20_000)}\n`, () => (drained += 1));
  console.count('counted');
  own.group(`own ${turn}`);
  own.log('line\nof two');
  own.groupEnd();
  if (turn === 20) console.group('deeper');
  if (turn < 40) return;
  clearInterval(timer);
  console.groupEnd();
  setTimeout(() => {
    console.log('end', called, drained);
    process.exit(called);
  }, 25);
}, 25);
