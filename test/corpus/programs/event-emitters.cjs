// Must survive: listeners of emitters, once and prepended, async iteration of events, captured rejections
const { EventEmitter, on, once, errorMonitor } = require('node:events');
const emitter = new EventEmitter();
const rejecting = new EventEmitter({ captureRejections: true });
const log = [];
emitter.on('tick', (n) => log.push(`a${n}`));
emitter.prependListener('tick', (n) => log.push(`first${n}`));
emitter.once('tick', (n) => log.push(`once${n}`));
emitter.on('newListener', (name) => log.push(`new ${String(name)}`));
rejecting.on('async', async (n) => {
  await null;
  throw new Error(`captured ${n}`);
});
rejecting.on('error', ({ message }) => log.push(message));
rejecting.on(errorMonitor, () => log.push('monitored'));
emitter.setMaxListeners(42);
class Store extends EventEmitter {
  #items = [];
  add(item) {
    this.#items.push(item);
    return this.emit('added', item, this.#items.length);
  }
}
const store = new Store();
store.on('added', function (item, count) {
  log.push(`${this === store} ${item}/${count}`);
});
const finished = (async () => {
  const got = [];
  for await (const [n] of on(emitter, 'tick')) {
    got.push(n);
    if (n >= 40) break;
  }
  return got;
})();
const twentieth = once(emitter, 'twenty');
let turn = 0;
const timer = setInterval(async () => {
  turn += 1;
  const own = turn;
  emitter.emit('tick', own);
  if (own % 7 === 0) rejecting.emit('async', own);
  if (own === 20) emitter.emit('twenty', 'value', 20);
  if (own % 5 === 0) emitter.once('tick', () => log.push(`late${own}`));
  console.log(own, store.add(`i${own}`), log.splice(0).join());
  if (own < 40) return;
  clearInterval(timer);
  const got = await finished;
  console.log('end', got.length, (await twentieth).join(), emitter.getMaxListeners());
  console.log(emitter.eventNames().map(String).join(), emitter.listenerCount('tick'));
}, 25);
