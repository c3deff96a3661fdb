// Must survive: const stays constant, and a variable that has no value yet still has none
const fixed = { changes: 0 };
const refused = (change) => {
  try {
    return String(change());
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
};
function makeCell() {
  const value = 1;
  let early = () => later;
  return { write: () => (value = 2), read: () => value, early, finish: () => later };
  const later = 'never set';
}
const cell = makeCell();
class Kind {
  static rename() {
    Kind = null;
  }
}
const tooEarly = () => notYet;
const tooEarlyType = () => typeof notYet;
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  fixed.changes += 1;
  const answers = [
    refused(() => (fixed = null)),
    refused(cell.write),
    refused(cell.early),
    refused(() => Kind.rename()),
    refused(tooEarly),
    refused(tooEarlyType),
  ];
  console.log(turn, cell.read(), answers[turn % answers.length]);
  if (turn < 45) return;
  clearInterval(timer);
  console.log('end', fixed.changes, answers.join('; '));
  finish();
}, 22);
const finish = () => console.log('finished', typeof Kind, refused(cell.finish));
const wait = () => new Promise(() => {});
(async () => {
  await wait();
})();
if (turn > 0) var notReached = 1;
setTimeout(() => notReached === undefined || console.log('wrong'), 20);
let notYet = refused(tooEarlyType) === 'ReferenceError: x' ? 1 : 'set now';
