// Must survive: the order of nextTick, microtasks, immediates and timers that wait for each other
const order = [];
const rounds = [];
function round(n) {
  const note = (word) => () => order.push(word);
  setImmediate(() => {
    note('immediate')();
    process.nextTick(note('tick in immediate'));
    queueMicrotask(note('micro in immediate'));
  });
  setImmediate((...words) => order.push(words.join(' ')), 'immediate', 'with', 'words');
  process.nextTick((word) => {
    order.push(word);
    process.nextTick(note('nested tick'));
    Promise.resolve().then(note('promise in tick'));
  }, 'tick');
  queueMicrotask(() => {
    note('micro')();
    queueMicrotask(note('nested micro'));
    process.nextTick(note('tick in micro'));
  });
  Promise.resolve().then(note('promise')).then(note('second promise'));
  (async () => {
    note('async')();
    await null;
    note('awaited')();
  })();
  setTimeout(() => {
    rounds.push(order.splice(0).join(', '));
    console.log(n, rounds.at(-1));
    if (n < 40) round(n + 1);
    else console.log('end', new Set(rounds).size, rounds[0].length);
  }, 25);
}
round(1);
