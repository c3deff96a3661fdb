// Must survive: stores of AsyncLocalStorage in resources and what is bound to them, loops over generators, signals and chains
const { AsyncLocalStorage, AsyncResource } = require('node:async_hooks');
const { EventEmitter } = require('node:events');
const timers = require('node:timers/promises');
const pause = (ms) => new Promise((done) => setTimeout(done, 2 * ms));
const task = new AsyncLocalStorage();
const depth = new AsyncLocalStorage();
const where = () => `${task.getStore()?.name ?? 'nowhere'}/${depth.getStore() ?? 0}`;

class Job extends AsyncResource {
  #word;
  constructor(word) {
    super('Job');
    this.#word = word;
  }
  finish() {
    return this.runInAsyncScope(() => `${this.#word} in ${where()}`);
  }
}

async function* steps(limit) {
  for (let step = 1; step <= limit; step += 1) {
    await pause(4);
    yield `${step} ${where()}`;
  }
}

const emitter = new EventEmitter();
const heard = [];
emitter.on('seen', (word) => heard.push(`${word} ${where()}`));
const jobs = ['a', 'b'].map((name, at) =>
  task.run({ name }, () => depth.run(at + 1, () => new Job(name))),
);
const tell = task.run({ name: 'bound' }, () => AsyncResource.bind((word) => `${word} ${where()}`));
const method = jobs[0].bind(function (word) {
  return `${this.own} ${word} ${where()}`;
});

async function walk(name) {
  // Several things at once: what each of them says is printed when all are over.
  const said = {};
  const say = (what) => (said[what] = where());
  const chain = pause(30)
    .then(() => where())
    .finally(() => emitter.emit('seen', `chain ${name}`));
  const all = Promise.all([pause(5).then(where), depth.run(7, () => pause(9).then(where))]);
  const controller = new AbortController();
  const signals = [controller.signal, AbortSignal.timeout(50)];
  const aborted = signals.map(
    (signal, at) =>
      new Promise((done) => signal.addEventListener('abort', () => done(say(`signal ${at}`)))),
  );
  setTimeout(() => controller.abort(), 20);
  const ticked = new Promise((done) => {
    let ticks = 0;
    const interval = setInterval(() => {
      ticks += 1;
      if (ticks < 3) return;
      clearInterval(interval);
      done(say('ticks'));
    }, 7);
  });
  for await (const line of steps(4)) console.log(name, line);
  await depth.run(3, async () => {
    await timers.setTimeout(6);
    console.log(name, 'inner', where());
  });
  await depth.exit(() => pause(4));
  console.log(name, (await all).join(), where());
  await Promise.all([ticked, ...aborted]);
  console.log(name, await chain, said['signal 0'], said['signal 1'], said.ticks);
  return where();
}

(async () => {
  for (const name of ['x', 'y', 'z']) {
    console.log(await task.run({ name }, walk, name), where());
    console.log(
      jobs.map((job) => job.finish()).join(),
      tell('told'),
      method.call({ own: 'o' }, 'm'),
    );
    await pause(5);
  }
  depth.enterWith('deep');
  await pause(5);
  console.log('end', where(), heard.join());
})();
