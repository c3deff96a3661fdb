// Must survive: nothing moves while a worker thread runs; it is refused and goes on
// may refuse: Worker
// refuses: worker
const { Worker } = require('node:worker_threads');
const worker = new Worker(
  `const { parentPort } = require('node:worker_threads');
   let sum = 0;
   parentPort.on('message', (n) => parentPort.postMessage((sum += n)));`,
  { eval: true },
);
let n = 0;
worker.on('message', (sum) => {
  console.log('sum', sum);
  n += 1;
  if (n === 70) worker.terminate().then((code) => console.log('end', code));
  else setTimeout(() => worker.postMessage(n), 25);
});
worker.postMessage(0);
