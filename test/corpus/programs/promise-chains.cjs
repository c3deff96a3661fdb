// Must survive: chains of then, catch and finally on pending promises, branched and joined
const pending = {};
const start = new Promise((resolve, reject) => Object.assign(pending, { resolve, reject }));
const log = [];
const note = (word) => (value) => {
  log.push(`${word}:${value instanceof Error ? value.message : value}`);
  return value;
};
const one = start.then(note('one'));
const two = one.then((value) => value * 2).then(note('two'));
const three = one
  .then(() => Promise.reject(new Error('lost')))
  .then(note('never'))
  .catch(note('caught'))
  .finally(() => note('finally')('3'))
  .then(({ message }) => message.length);
const passed = start
  .finally(() => new Promise((done) => setTimeout(done, 20)))
  .then(note('passed'));
const nested = start.then((value) => new Promise((done) => setTimeout(() => done(value + 1), 60)));
const adopted = new Promise((resolve) => setTimeout(() => resolve(nested), 40)).then(
  note('adopted'),
);
const broken = new Promise((_, reject) => setTimeout(reject, 330, new Error('late')));
const rescued = broken.then(note('no'), note('rescued')).finally(note('done'));
const settled = Promise.resolve('already');
const refused = Promise.reject(new Error('handled later'));
refused.catch(() => {});
start.marker = 'own property';
let turn = 0;
let stop;
const ticking = new Promise((done) => (stop = done));
const timer = setInterval(() => {
  turn += 1;
  if (turn === 45) {
    clearInterval(timer);
    stop('ticked');
  }
  if (turn === 20) pending.resolve(21);
  if (turn === 22) pending.resolve('too late');
  settled.then(note(`t${turn}`));
  if (turn % 6 === 0) refused.catch(note('refused'));
  console.log(
    turn,
    log
      .splice(0)
      .filter((word) => word.startsWith('t'))
      .join(),
  );
}, 9);
const kept = [];
Promise.all([two, three, passed, adopted, rescued, ticking]).then((values) => {
  kept.push(...values.map((value) => (value instanceof Error ? value.message : value)));
  console.log('end', kept.join(), start.marker);
  process.exitCode = 33;
});
