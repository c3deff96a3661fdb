// Must survive: listeners of beforeExit and exit, and the exit code that was set
process.exitCode = 9;
const order = [];
let revived = 0;
process.once('beforeExit', () => order.push('once'));
process.on('beforeExit', (code) => {
  order.push(`before ${code}`);
  revived += 1;
  if (revived < 4) setTimeout(() => console.log('revived', revived), 40);
});
process.on('exit', (code) => {
  order.push(`exit ${code}`);
  console.log('end', order.join(), process.exitCode);
  process.exitCode = code + 2;
});
process.prependListener('exit', () => order.push('first of all'));
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  if (turn === 20) process.exitCode = 13;
  console.log(turn, process.exitCode, process.listenerCount('exit'));
  if (turn === 30) clearInterval(timer);
}, 22);
