// Must survive: attributes of properties, their order, symbol keys and index keys, after deletions too
const thing = { b: 1, 2: 'two', a: 2, 1: 'one', [Symbol('s')]: 3 };
Object.defineProperty(thing, 'readonly', { value: 'fixed', enumerable: true });
Object.defineProperty(thing, 'hidden', { value: 'hid', writable: true, configurable: true });
Object.defineProperty(thing, 'getter', { get: () => 'got', enumerable: true });
const list = [1, 2, 3];
Object.defineProperty(list, 1, { value: 'locked', enumerable: false });
Object.defineProperty(list, 'length', { writable: false });
function fn() {}
Object.defineProperty(fn, 'name', { value: 'given' });
Object.defineProperty(fn, 'length', { get: () => 99 });
delete fn.prototype.constructor;
const describe = (object) =>
  Reflect.ownKeys(object)
    // Which functions have these two depends on the engine.
    .filter((key) => key !== 'arguments' && key !== 'caller')
    .map((key) => {
      const { writable, enumerable, configurable, get } = Reflect.getOwnPropertyDescriptor(
        object,
        key,
      );
      return `${String(key)}${get ? 'g' : ''}${+!!writable}${+enumerable}${+configurable}`;
    })
    .join(' ');
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  delete thing[`k${turn - 6}`];
  thing[`k${turn}`] = turn;
  if (turn === 10) delete thing.b;
  if (turn === 20) thing.b = 'back';
  thing.readonly = thing.hidden = turn;
  let refused = 0;
  try {
    ('use strict');
    list.push(4);
  } catch {
    refused += 1;
  }
  console.log(turn, describe(thing), refused, list.length);
  if (turn < 40) return;
  clearInterval(timer);
  console.log('end', describe(list), describe(fn), fn.name, fn.length, JSON.stringify(thing));
}, 25);
