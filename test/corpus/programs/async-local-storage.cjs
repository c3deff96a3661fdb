// Must survive: the stores of AsyncLocalStorage in timers, promises, immediates and bound functions
const { AsyncLocalStorage, AsyncResource } = require('node:async_hooks');
const pause = (ms) => new Promise((done) => setTimeout(done, 2 * ms));
const request = new AsyncLocalStorage();
const user = new AsyncLocalStorage();
const lines = [];
const note = (word) =>
  lines.push(`${word} ${request.getStore()?.id ?? 'none'} ${user.getStore() ?? '-'}`);
async function handle(id) {
  for (let step = 0; step < 6; step += 1) {
    await pause(7);
    request.getStore().steps += 1;
    if (step === 2) await user.run(`u${id}`, async () => (await pause(5), note('inside')));
    if (step === 3) setTimeout(note, 4, 'timeout');
    if (step === 4) setImmediate(note, 'immediate');
  }
  note('done');
  return request.getStore().steps;
}
const bound = request.run({ id: 'bound' }, () => AsyncResource.bind(() => request.getStore().id));
const snapshot = request.run({ id: 'snapshot' }, () => AsyncLocalStorage.snapshot());
const resource = user.run('resource', () => new AsyncResource('own'));
(async () => {
  for (let id = 0; id < 8; id += 1) {
    const steps = await request.run({ id, steps: 0 }, handle, id);
    await pause(10);
    console.log(
      id,
      steps,
      lines.splice(0).join('; '),
      bound(),
      snapshot(() => request.getStore().id),
    );
    console.log(
      resource.runInAsyncScope(() => user.getStore()),
      request.getStore(),
    );
  }
  request.enterWith({ id: 'entered' });
  await pause(5);
  console.log('end', request.getStore().id);
})();
