// Must survive: EventTargets, listeners that are objects, once and removed by signal, events of one's own
const target = new EventTarget();
const aborter = new AbortController();
const log = [];
class Progress extends Event {
  #amount;
  constructor(amount) {
    super('progress', { cancelable: true });
    this.#amount = amount;
  }
  get amount() {
    return this.#amount;
  }
}
target.addEventListener('progress', (event) => log.push(`fn ${event.amount}`));
target.addEventListener('progress', {
  calls: 0,
  handleEvent(event) {
    this.calls += 1;
    if (this.calls % 4 === 0) event.preventDefault();
    log.push(`object ${this.calls}`);
  },
});
target.addEventListener('progress', () => log.push('once'), { once: true });
target.addEventListener('progress', () => log.push('until aborted'), { signal: aborter.signal });
const kept = new Progress(-1);
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  const went = target.dispatchEvent(new Progress(turn));
  if (turn === 15) aborter.abort('enough');
  if (turn % 10 === 0)
    target.addEventListener('progress', () => log.push(`late ${turn}`), { once: true });
  console.log(turn, went, log.splice(0).join('; '));
  if (turn < 40) return;
  clearInterval(timer);
  console.log('end', aborter.signal.aborted, aborter.signal.reason, kept.amount, kept.type);
}, 25);
