// Must survive: sloppy code: this as the global object, undeclared variables, boxed this, octals
undeclared = 5;
function self() {
  return this === globalThis;
}
function boxed() {
  return typeof this;
}
function duplicate(a, a) {
  return a + 010;
}
var fromThis = this === module.exports;
var calls = (function () {
  var own = 0;
  return function () {
    undeclared += 1;
    own += undeclared;
    silent.x = own;
    return own;
  };
})();
var silent = Object.freeze({ x: 'frozen' });
globalThis.registered = { by: 'program' };
Object.defineProperty(globalThis, 'computed', { get: () => undeclared * 2, configurable: true });
var turn = 0;
var timer = setInterval(function () {
  turn += 1;
  console.log(turn, calls(), self(), boxed.call(1), duplicate(1, turn), computed, silent.x);
  if (turn === 20) delete globalThis.registered;
  if (turn < 45) return;
  clearInterval(timer);
  console.log('end', undeclared, typeof registered, fromThis, typeof computed, this === timer);
  process.exitCode = 8;
}, 22);
