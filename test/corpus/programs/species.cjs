// Must survive: Symbol.species, toPrimitive, hasInstance, toStringTag, isConcatSpreadable and unscopables
class Plain extends Array {
  static get [Symbol.species]() {
    return Array;
  }
}
class Kept extends Array {}
class Money {
  constructor(cents) {
    this.cents = cents;
  }
  [Symbol.toPrimitive](hint) {
    return hint === 'number'
      ? this.cents
      : hint === 'string'
        ? `$${this.cents / 100}`
        : this.cents + 1;
  }
  get [Symbol.toStringTag]() {
    return 'Money';
  }
  static [Symbol.hasInstance](thing) {
    return typeof thing === 'object' && 'cents' in thing;
  }
}
const spreadable = { length: 2, 0: 'x', 1: 'y', [Symbol.isConcatSpreadable]: true };
const splitter = {
  [Symbol.split](text) {
    return text.split('').reverse();
  },
  [Symbol.replace]: (text, by) => `${text}<${by}>`,
};
const plain = Plain.from([1, 2]);
const kept = Kept.from([1, 2]);
const money = new Money(5);
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  money.cents += turn;
  plain.push(turn);
  kept.unshift(turn);
  const kinds = [plain.map(String), kept.filter(Boolean)].map((one) => one.constructor.name);
  console.log(turn, kinds.join(), `${money}`, +money, money + 0, [turn].concat(spreadable).join());
  if (turn < 45) return;
  clearInterval(timer);
  console.log('end', String(Object.prototype.toString.call(money)), { cents: 1 } instanceof Money);
  console.log(
    'abc'.split(splitter).join(),
    'abc'.replace(splitter, 'by'),
    plain.length,
    kept.length,
  );
}, 22);
