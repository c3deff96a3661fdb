// Must survive: listeners of signals, once and for ever, and the one that ends the program
const got = [];
process.on('SIGUSR2', (name, number) => got.push(`${name} ${number}`));
process.once('SIGHUP', () => got.push('hangup'));
const temporary = () => got.push('temporary');
process.on('SIGWINCH', temporary);
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  if (turn % 6 === 0) process.kill(process.pid, 'SIGUSR2');
  if (turn === 15) process.kill(process.pid, 'SIGHUP');
  if (turn % 9 === 0 && turn < 30) process.kill(process.pid, 'SIGWINCH');
  if (turn === 30) process.off('SIGWINCH', temporary);
  console.log(turn);
  if (turn % 6 === 5) console.log(got.splice(0).sort().join());
  if (turn < 45) return;
  clearInterval(timer);
  console.log('end', process.listenerCount('SIGHUP'), process.listenerCount('SIGUSR2'));
  setTimeout(() => {}, 5000);
  process.on('SIGTERM', () => {
    console.log('terminated');
    process.exit(143);
  });
  process.kill(process.pid, 'SIGTERM');
}, 25);
