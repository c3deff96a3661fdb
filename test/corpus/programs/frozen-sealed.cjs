// Must survive: frozen, sealed and non-extensible objects, arrays, functions and classes
'use strict';
const inner = { changes: 0 };
const frozen = Object.freeze({ a: 1, inner, list: Object.freeze([1, 2]) });
const sealed = Object.seal({ a: 1, b: 2 });
const closed = Object.preventExtensions({ a: 1 });
const config = Object.freeze(Object.assign(() => 'called', { option: 'o' }));
class Frozen {
  #hidden = 0;
  shown = 1;
  constructor() {
    Object.freeze(this);
  }
  bump() {
    return (this.#hidden += 1);
  }
}
Object.freeze(Frozen.prototype);
const instance = new Frozen();
const frozenMap = Object.freeze(new Map([['k', 1]]));
const refused = (change) => {
  try {
    change();
    return 'done';
  } catch (error) {
    return error.name;
  }
};
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  inner.changes += 1;
  frozenMap.set(`k${turn}`, turn);
  const changes = [
    () => (frozen.a = turn),
    () => (frozen.inner.changes += 1),
    () => frozen.list.push(turn),
    () => (sealed.a += turn),
    () => delete sealed.b,
    () => (closed.extra = turn),
    () => (closed.a = turn),
    () => (config.option = turn),
    () => (instance.shown = 2),
    () => (Frozen.prototype.later = 1),
  ];
  console.log(turn, changes.map(refused).join(), instance.bump(), frozenMap.size);
  if (turn < 40) return;
  clearInterval(timer);
  const states = [frozen, sealed, closed, config, instance, inner];
  console.log('end', JSON.stringify({ frozen, sealed, closed }));
  console.log(
    states.map((o) => `${+Object.isFrozen(o)}${+Object.isSealed(o)}${+Object.isExtensible(o)}`),
  );
  process.exitCode = 7;
}, 25);
