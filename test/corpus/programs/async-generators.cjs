// Must survive: async generators suspended at yield and at await, and requests that queue up for them
const pause = (ms, value) => new Promise((done) => setTimeout(done, 2 * ms, value));
const log = [];
async function* ticks(name, limit) {
  let n = 0;
  try {
    while (n < limit) {
      await pause(3);
      const got = yield `${name}${(n += 1)}`;
      if (got) log.push(`${name} got ${got}`);
    }
    return `${name} over`;
  } catch (error) {
    yield `${name} caught ${error.message}`;
  } finally {
    await pause(3);
    log.push(`${name} closed at ${n}`);
  }
}
async function* merged() {
  const first = yield* ticks('in', 4);
  log.push(`delegate gave ${first}`);
  yield* [pause(2, 'promised'), 'plain'];
}
async function main() {
  const a = ticks('a', 30);
  for (let n = 0; n < 20; n += 1) {
    const { value } = await a.next(n % 4 === 0 ? n : undefined);
    console.log(value, log.splice(0).join('; '));
  }
  console.log(
    JSON.stringify(await a.throw(new Error('thrown in'))),
    JSON.stringify(await a.next()),
  );
  const b = ticks('b', 8);
  const queued = [b.next(), b.next('q'), b.next(), b.return('r'), b.next()];
  for (const one of queued) console.log(JSON.stringify(await one));
  const c = merged();
  for (let n = 0; n < 8; n += 1) console.log(JSON.stringify(await c.next()));
  const unfinished = ticks('u', 3);
  console.log((await unfinished.next()).value);
  await pause(10);
  console.log((await unfinished.next()).value, JSON.stringify(await unfinished.return('bye')));
  console.log('end', log.join('; '));
}
main();
