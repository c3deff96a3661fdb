// A benchmark of the processor, run whenever SIGUSR2 comes: numbers, closures, classes, collections and strings.
const { createHash } = require('node:crypto');
// A hash in progress is in the way of a move; it is let go of after as many runs as the argument says.
let hash = createHash('sha256').update('in progress');
let left = Number(process.argv[2]);

class Counter {
  constructor(start) {
    this.value = start;
  }
  add(amount) {
    this.value = (this.value + amount) | 0;
    return this;
  }
}

const adder = (by) => (value) => value + by;
const addThree = adder(3);

function mandelbrot(size) {
  let inside = 0;
  for (let y = 0; y < size; y += 1) {
    for (let x = 0; x < size; x += 1) {
      let [zr, zi, steps] = [0, 0, 0];
      const [cr, ci] = [(2 * x) / size - 1.5, (2 * y) / size - 1];
      while (zr * zr + zi * zi < 4 && steps < 50) {
        [zr, zi] = [zr * zr - zi * zi + cr, 2 * zr * zi + ci];
        steps += 1;
      }
      if (steps === 50) inside += 1;
    }
  }
  return inside;
}

function collections(count) {
  const counts = new Map();
  for (let n = 0; n < count; n += 1) {
    const key = `key ${n % 997}`;
    counts.set(key, (counts.get(key) ?? 0) + addThree(n));
  }
  const counter = new Counter(0);
  for (const value of counts.values()) counter.add(value);
  return [...counts.keys()].sort().join('').length + counter.value;
}

process.on('SIGUSR2', () => {
  const began = performance.now();
  const result = mandelbrot(260) + collections(250_000);
  const ms = performance.now() - began;
  left -= 1;
  if (left === 0) hash = undefined;
  console.log(JSON.stringify({ ms, result, held: hash !== undefined }));
});
require('./heartbeat.cjs');
console.log(JSON.stringify({ ready: 1 }));
