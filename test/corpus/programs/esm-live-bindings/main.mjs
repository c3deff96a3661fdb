// Must survive: live bindings of ES modules, seen through imports, namespaces and re-exports
import start, { count, increment, history as log, Shape } from './counter.mjs';
import * as counter from './counter.mjs';
import * as barrel from './barrel.mjs';
export let phase = 'begin';
import { observe } from './observer.mjs';
const shapes = [new Shape(2)];
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  increment(turn);
  if (turn === 20) phase = 'middle';
  if (turn === 30) counter.replaceDefault();
  if (turn % 10 === 0) shapes.push(new barrel.Form(turn));
  console.log(turn, count, counter.count, barrel.total, log.length, start(), observe());
  if (turn < 45) return;
  clearInterval(timer);
  let refused = '';
  try {
    counter.count = 1;
  } catch ({ name }) {
    refused = name;
  }
  console.log('end', refused, Object.keys(counter).join(), Object.keys(barrel).join());
  console.log(shapes.map((shape) => shape.area()).join(), String(counter[Symbol.toStringTag]));
}, 22);
