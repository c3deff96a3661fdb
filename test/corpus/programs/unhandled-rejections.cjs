// Must survive: handlers of unhandled and of late handled rejections, and of uncaught exceptions
const seen = [];
const lost = new Map();
process.on('unhandledRejection', (reason, promise) => {
  seen.push(`unhandled ${reason.message}`);
  lost.set(promise, reason);
});
process.on('rejectionHandled', (promise) => {
  seen.push(`handled ${lost.get(promise).message}`);
  lost.delete(promise);
});
process.on('uncaughtException', (error, origin) => {
  seen.push(`${origin} ${error.message}`);
});
process.on('warning', () => seen.push('warning'));
const kept = [];
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  if (turn % 5 === 1) kept.push(Promise.reject(new Error(`r${turn}`)));
  if (turn % 10 === 8) kept.shift().catch(({ message }) => seen.push(`caught ${message}`));
  console.log(turn, lost.size, seen.splice(0).join('; '));
  if (turn % 8 === 0) throw new Error(`thrown ${turn}`);
  if (turn < 45) return;
  clearInterval(timer);
  process.on('exit', (code) => {
    console.log('end', code, kept.length, [...lost.values()].map(({ message }) => message).join());
    process.exitCode = 19;
  });
}, 22);
