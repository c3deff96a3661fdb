// Must survive: what aborted signals give as their reason, and other exceptions with a name and a code
class Late extends DOMException {
  #minutes;
  constructor(minutes) {
    super(`${minutes} minutes`, 'TimeoutError');
    this.#minutes = minutes;
  }
  get minutes() {
    return this.#minutes;
  }
}
const aborted = AbortSignal.abort();
const controller = new AbortController();
const kept = {
  reason: aborted.reason,
  plain: new DOMException('plain'),
  named: new DOMException('no such thing', 'NotFoundError'),
  caused: new DOMException('caused', { name: 'DataCloneError', cause: { code: 7 } }),
  late: new Late(5),
};
kept.plain.note = 'noted';
let cloned;
try {
  structuredClone(() => undefined);
} catch (error) {
  cloned = error;
}
const stacks = Object.values(kept).map(({ stack }) => stack);
const describe = (error) =>
  [
    error.name,
    error.code,
    error.message,
    error instanceof DOMException,
    error instanceof Error,
  ].join();
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  const [name, error] = Object.entries(kept)[turn % stacks.length];
  console.log(turn, name, describe(error), String(error));
  if (turn === 30) controller.abort();
  if (turn < 40) return;
  clearInterval(timer);
  console.log('end', aborted.reason === kept.reason, describe(controller.signal.reason));
  console.log(
    Object.values(kept)
      .map(({ stack }, index) => +(stack === stacks[index]))
      .join(''),
  );
  console.log(
    kept.late.minutes,
    kept.late instanceof Late,
    kept.caused.cause.code,
    kept.plain.note,
  );
  console.log(describe(cloned), Object.prototype.toString.call(cloned), kept.named.NOT_FOUND_ERR);
}, 25);
