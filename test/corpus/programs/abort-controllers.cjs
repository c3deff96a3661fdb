// Must survive: abort controllers and signals: their listeners, reasons, time-outs and what waits for them
const { setTimeout: after } = require('node:timers/promises');
const { addAbortListener } = require('node:events');
const log = [];
const controllers = Array.from({ length: 6 }, () => new AbortController());
const waits = controllers.map(({ signal }, index) =>
  after(60_000, 'never', { signal, ref: false }).catch(
    ({ name, cause }) => `${index} ${name} ${cause}`,
  ),
);
controllers[0].signal.addEventListener('abort', function () {
  log.push(`0 ${this.reason}`);
});
controllers[1].signal.onabort = ({ type }) => log.push(`1 ${type}`);
addAbortListener(controllers[2].signal, () => log.push('2 listener'));
const any = AbortSignal.any([controllers[3].signal, controllers[4].signal]);
any.addEventListener('abort', () => log.push(`any ${any.reason}`));
const timed = AbortSignal.timeout(200);
const timedOut = new Promise((done) =>
  timed.addEventListener('abort', () => done(timed.reason.name)),
);
const before = AbortSignal.abort('before');
let turn = 0;
const timer = setInterval(async () => {
  turn += 1;
  if (turn % 7 === 0) controllers[turn / 7 - 1]?.abort(`reason ${turn}`);
  console.log(
    turn,
    log.splice(0).join('; '),
    controllers.map(({ signal }) => +signal.aborted).join(''),
  );
  if (turn < 45) return;
  clearInterval(timer);
  console.log((await Promise.all(waits)).join('; '), await timedOut, before.reason);
  try {
    controllers[5].signal.throwIfAborted();
  } catch (error) {
    console.log('end', error, any.aborted);
  }
}, 25);
