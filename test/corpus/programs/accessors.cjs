// Must survive: getters and setters, own, inherited, computed and defined later
const calls = [];
const prefix = 'temp';
const thermometer = {
  _celsius: 20,
  get [`${prefix}C`]() {
    calls.push('get C');
    return this._celsius;
  },
  set [`${prefix}C`](value) {
    calls.push(`set ${value}`);
    this._celsius = value;
  },
  get 'temp F'() {
    return (this._celsius * 9) / 5 + 32;
  },
  get 42() {
    return 'number key';
  },
};
const child = Object.create(thermometer, {
  half: {
    get() {
      return this.tempC / 2;
    },
    set(value) {
      this.tempC = value * 2;
    },
    enumerable: true,
    configurable: false,
  },
});
function withSecret(secret) {
  const holder = {};
  Object.defineProperty(holder, 'secret', {
    get: () => secret,
    set: (value) => (secret = `<${value}>`),
    configurable: true,
  });
  return holder;
}
const holder = withSecret('start');
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  if (turn % 2) child.half = turn;
  else thermometer.tempC += 1;
  if (turn % 6 === 0) holder.secret = turn;
  console.log(turn, child.tempC, thermometer['temp F'], child.half, holder.secret, calls.length);
  if (turn < 48) return;
  clearInterval(timer);
  const { get, set, enumerable } = Object.getOwnPropertyDescriptor(thermometer, 'tempC');
  console.log('end', get.name, set.name, enumerable, thermometer[42], Object.keys(child).join());
  console.log(calls.slice(-6).join(), Object.getOwnPropertyDescriptor(child, 'half').configurable);
  process.exitCode = 40;
}, 20);
