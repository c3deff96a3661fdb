// A Node.js program whose numbers live in closures, private fields and a suspended function. With `hash` it has
// something that no engine but CRIU carries, with `serve` a port.
const { createHash } = require('node:crypto');
class Ledger {
  #entries = new Map();
  add(number) {
    this.#entries.set(number, `entry ${number}`);
    return this.#entries.size;
  }
}
const ledger = new Ledger();
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const hash = process.argv[2] === 'hash' ? createHash('sha256') : undefined;
if (process.argv[2] === 'serve') {
  require('node:http')
    .createServer((_, answer) => answer.end('served'))
    .listen(4790);
}
async function beat() {
  for (let number = 1; ; number += 1) {
    const size = ledger.add(number);
    console.log(`beat ${number}${size === number ? '' : ` but ${size} entries`}`);
    hash?.update('more');
    await sleep(100);
  }
}
void beat();
