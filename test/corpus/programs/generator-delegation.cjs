// Must survive: yield* to generators, arrays and iterators of one's own; return and throw go through
const log = [];
function* inner(name) {
  try {
    for (let n = 1; ; n += 1) {
      const got = yield `${name}${n}`;
      if (got !== undefined) log.push(`${name} got ${got}`);
    }
  } catch (error) {
    log.push(`${name} caught ${error}`);
    return `${name} recovered`;
  } finally {
    log.push(`${name} closed`);
  }
}
const handmade = () => {
  let n = 0;
  return {
    [Symbol.iterator]() {
      return this;
    },
    next: (value) => ({ value: `h${(n += 1)}${value ?? ''}`, done: n > 4 }),
    throw(error) {
      log.push(`handmade was thrown ${error}`);
      return { value: 'calmed', done: true };
    },
    return(value) {
      log.push(`handmade returned ${value}`);
      return { value, done: true };
    },
  };
};
function* outer() {
  while (true) {
    log.push(`first: ${yield* inner('a')}`);
    yield* [10, 20, 30];
    log.push(`second: ${yield* handmade()}`);
    yield* 'xy';
  }
}
const runs = [outer(), outer(), outer()];
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  const index = turn % runs.length;
  const run = runs[index];
  let step;
  if (turn % 12 === 4) step = run.throw(`t${turn}`);
  else if (turn === 23) step = run.return('enough');
  else step = run.next(turn % 5 === 0 ? turn : undefined);
  console.log(turn, index, String(step.value), step.done, log.splice(0).join('; '));
  if (turn < 60) return;
  clearInterval(timer);
  console.log('end', runs.map((one) => one.return(1).done).join(), log.join('; '));
  process.exitCode = 21;
}, 17);
