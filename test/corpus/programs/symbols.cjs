// Must survive: symbols of one's own, those of the registry and the well-known, as keys and as values
const own = Symbol('own');
const same = Symbol('own');
const nameless = Symbol();
const registered = Symbol.for('corpus.registered');
const thing = {
  [own]: 1,
  [same]: 2,
  [nameless]: 3,
  [registered]: 4,
  [Symbol.toStringTag]: 'Thing',
  *[Symbol.iterator]() {
    yield* [this[own], this[same]];
  },
};
const byKey = new Map([
  [own, 'own'],
  [registered, 'registered'],
]);
const enumeration = Object.freeze({ RED: Symbol('red'), BLUE: Symbol('blue') });
let current = enumeration.RED;
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  thing[own] += turn;
  thing[same] -= turn;
  current = current === enumeration.RED ? enumeration.BLUE : enumeration.RED;
  console.log(turn, [...thing].join(), String(current), thing[Symbol.for('corpus.registered')]);
  if (turn < 45) return;
  clearInterval(timer);
  const keys = Object.getOwnPropertySymbols(thing).map(String);
  console.log('end', keys.join(), own === same, byKey.get(own), byKey.get(same), String(thing));
  console.log(Symbol.keyFor(registered), Symbol.keyFor(own), nameless.description, own.description);
}, 22);
