// Must survive: errors with causes, codes and stacks, those thrown before and those thrown after
const { basename } = require('node:path');
const frames = (error) =>
  error.stack
    .split('\n')
    .filter((line) => line.includes(basename(__filename)))
    .map((line) => line.trim().replace(/\(.*[/\\]/, '('))
    .join(' < ');
class Failure extends Error {
  name = 'Failure';
  constructor(message, options) {
    super(message, options);
    Error.captureStackTrace(this, Failure);
  }
}
function inner(depth) {
  if (depth === 0)
    throw new Failure('deep', { cause: new TypeError('root', { cause: { code: 7 } }) });
  return inner(depth - 1);
}
function catching(thunk) {
  try {
    return thunk();
  } catch (error) {
    return error;
  }
}
const early = catching(() => inner(3));
const many = new AggregateError([new RangeError('r'), early, 'text'], 'several');
const native = catching(() => JSON.parse('{"a":'));
const changed = new Error('before');
changed.message = 'after';
changed.stack = 'no stack';
const bare = Object.create(Error.prototype, { message: { value: 'not really one' } });
let turn = 0;
const timer = setInterval(function tick() {
  turn += 1;
  const late = catching(() => inner(turn % 3));
  console.log(
    turn,
    late.message,
    late.cause.cause.code,
    frames(late).split(' < ').slice(0, 3).join(),
  );
  if (turn < 40) return;
  clearInterval(timer);
  console.log('end', frames(early).split(' < ').slice(0, 6).join(' < '));
  console.log(early.name, early instanceof Failure, String(many.errors[1].cause), many.message);
  console.log(native.name, changed.stack, String(changed), String(bare), bare instanceof Error);
  console.log(Object.prototype.toString.call(early), JSON.stringify(Object.keys(early)));
  process.exitCode = 50;
}, 25);
