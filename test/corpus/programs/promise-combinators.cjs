// Must survive: Promise.all, allSettled, race and any while some of their promises are pending
const pause = (ms, value) => new Promise((done) => setTimeout(done, 2 * ms, value));
const fail = (ms, text) => new Promise((_, no) => setTimeout(() => no(new Error(text)), ms));
const gates = Array.from({ length: 12 }, () => {
  const gate = {};
  gate.promise = new Promise((open, close) => Object.assign(gate, { open, close }));
  return gate;
});
const from = (first, count) => gates.slice(first, first + count).map(({ promise }) => promise);
const say = (name) => (value) => console.log(name, JSON.stringify(value));
const waits = [
  Promise.all([...from(0, 4), 'plain', Promise.resolve('ready')]).then(say('all')),
  Promise.all(from(2, 4)).then(say('all 2'), ({ message }) => say('all 2 failed')(message)),
  Promise.allSettled(from(3, 5)).then((list) =>
    say('settled')(list.map(({ status, value, reason }) => [status, value ?? reason.message])),
  ),
  Promise.race(from(6, 3)).then(say('race')),
  Promise.any(from(4, 4)).then(say('any'), ({ errors }) => say('none')(errors.map(String))),
  Promise.any(from(9, 3)).catch((error) => say('none')([error.name, error.errors.map(String)])),
];
async function main() {
  for (let index = 0; index < gates.length; index += 1) {
    await pause(12);
    if (index % 5 === 4 || index > 8) gates[index].close(new Error(`closed ${index}`));
    else gates[index].open(`open ${index}`);
    console.log('gate', index);
    await pause(6);
  }
  await Promise.all(waits);
  for (let round = 0; round < 8; round += 1) {
    const all = await Promise.all([
      pause(3, round),
      pause(6, 'b'),
      Promise.race([pause(9), pause(5, 'r')]),
    ]);
    const settled = await Promise.allSettled([pause(4), fail(2, `f${round}`)]);
    console.log(round, all.join(), settled[1].reason.message);
  }
  console.log('end', (await Promise.any([fail(3, 'x'), pause(8, 'won')])).length);
}
main();
