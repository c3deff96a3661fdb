// Must survive: a small program as people write them: a queue of jobs with priorities, retries and back-off
const { EventEmitter } = require('node:events');
class Scheduler extends EventEmitter {
  #queue = [];
  #running = 0;
  #stats = { done: 0, failed: 0, retried: 0 };
  static #sequence = 0;
  constructor({ limit = 1, retries = 2 } = {}) {
    super();
    Object.assign(this, { limit, retries });
  }
  add(name, priority, work) {
    const id = (Scheduler.#sequence += 1);
    return new Promise((resolve, reject) => {
      this.#queue.push({ id, name, priority, work, attempt: 0, resolve, reject });
      this.#queue.sort((a, b) => b.priority - a.priority || a.id - b.id);
      queueMicrotask(() => this.#pump());
    });
  }
  #pump() {
    while (this.#running < this.limit && this.#queue.length > 0)
      void this.#start(this.#queue.shift());
  }
  async #start(job) {
    this.#running += 1;
    try {
      job.resolve(await job.work(job.attempt));
      this.#stats.done += 1;
      this.emit('done', job.name);
    } catch (error) {
      if (job.attempt < this.retries) {
        job.attempt += 1;
        this.#stats.retried += 1;
        await new Promise((done) => setTimeout(done, 4 * 2 ** job.attempt));
        this.#queue.unshift(job);
      } else {
        this.#stats.failed += 1;
        job.reject(error);
      }
    } finally {
      this.#running -= 1;
      this.#pump();
    }
  }
  get stats() {
    return { ...this.#stats, waiting: this.#queue.length };
  }
}
const scheduler = new Scheduler();
scheduler.on('done', (name) => console.log('done', name, JSON.stringify(scheduler.stats)));
const work = (n) => async (attempt) => {
  await new Promise((done) => setTimeout(done, 5));
  if (n % 6 === 5 || (n % 4 === 3 && attempt === 0)) throw new Error(`job ${n} attempt ${attempt}`);
  return n * n;
};
const jobs = Array.from({ length: 24 }, (_, n) => scheduler.add(`job${n}`, n % 3, work(n)));
Promise.allSettled(jobs).then((results) => {
  console.log('end', results.map(({ value, reason }) => value ?? reason.message).join());
  process.exitCode = scheduler.stats.failed;
});
