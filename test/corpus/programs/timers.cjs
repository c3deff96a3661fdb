// Must survive: timeouts and intervals with the time that they have left, their arguments and order
const fired = [];
const note = (...words) => {
  fired.push(words.join(' '));
  console.log(...words);
};
// Each is due after all that are made before it, however long the machine takes between two of them.
for (let n = 1; n <= 20; n += 1) {
  setTimeout(note, n * 25, 'timeout', n, { toString: () => `o${n}` });
  if (n === 10) for (const name of ['a', 'b', 'c']) setTimeout(note, 260, 'same moment', name);
}
const cancelled = setTimeout(note, 380, 'must not fire');
const again = setTimeout(note, 500, 'refreshed');
const unimportant = setTimeout(note, 60_000, 'must not be waited for').unref();
const returned = setInterval(() => {}, 60_000).unref();
let beats = 0;
let kept;
const interval = setInterval(
  function beat(step) {
    beats += step;
    if (beats === 9) clearTimeout(cancelled);
    if (this !== interval || beats === 15) clearInterval(interval);
  },
  20,
  3,
);
// By single timers: how often the interval has come by then depends on how busy the machine is.
setTimeout(() => clearTimeout(cancelled), 60);
setTimeout(() => again.refresh(), 100);
const byId = setTimeout(note, 90, 'cleared by its number');
const id = +byId;
setTimeout(() => clearTimeout(id), 40);
setTimeout(() => {
  setImmediate((word) => (kept = word), 'immediate from a timeout');
  setTimeout(note, 800, 'nested');
}, 212);
process.on('exit', () => {
  console.log(
    'end',
    beats,
    kept,
    fired.length,
    cancelled.hasRef(),
    unimportant.hasRef(),
    typeof returned,
  );
});
