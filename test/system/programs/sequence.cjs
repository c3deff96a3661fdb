// Counts aloud for the witness of the device that it runs on, as sequence.py does, with its state where the portable
// engine has to look for it: in closures, a Map and a suspended function.
//
//     sequence.cjs NAME
'use strict';
const { createSocket } = require('node:dgram');
const { hostname } = require('node:os');

const name = process.argv[2];
process.title = `sequence ${name}`;
const kept = new Map();
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function look(number) {
  for (let each = Math.max(1, number - 64); each <= number; each += 1) {
    if (kept.get(each) !== `number ${each}`) return 'memory:written';
  }
  return kept.size === number ? 'ok' : 'memory:kept';
}

function tell(said) {
  const socket = createSocket('udp4');
  socket.send(said, 4777, '127.0.0.1', () => socket.close());
}

async function count() {
  for (let number = 0; ; await sleep(50)) {
    const word = look(number);
    number += 1;
    kept.set(number, `number ${number}`);
    const said = `${name} ${number} ${hostname()} ${word}`;
    tell(said);
    console.log(said);
  }
}
void count();
