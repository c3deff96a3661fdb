// Must survive: suspended generators, with their locals and the loops and handlers that they are in
function* fibonacci(limit) {
  let [a, b] = [0n, 1n];
  while (a < limit) {
    const answer = yield a;
    if (answer === 'double') b *= 2n;
    [a, b] = [b, a + b];
  }
  return 'spent';
}
function* guarded(name) {
  let count = 0;
  while (true) {
    try {
      const got = yield `${name}${count}`;
      if (got === 'fail') throw new Error('asked to');
      count += 1;
    } catch (error) {
      count += 10;
      name = `${name} ${error.message.length}`;
    } finally {
      count += 100;
    }
  }
}
function* walk(tree, depth = 0) {
  if (tree === null) return;
  yield* walk(tree.left, depth + 1);
  yield `${'.'.repeat(depth)}${tree.value}`;
  yield* walk(tree.right, depth + 1);
}
const build = (from, to) => {
  if (from > to) return null;
  const value = (from + to) >> 1;
  return { value, left: build(from, value - 1), right: build(value + 1, to) };
};
const numbers = fibonacci(10n ** 30n);
const guard = guarded('g');
const nodes = walk(build(1, 40));
const never = fibonacci(1n);
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  const number = numbers.next(turn % 9 === 0 ? 'double' : undefined);
  const said =
    turn % 6 === 0 ? guard.throw(new Error(`outside ${turn}`)) : guard.next(turn % 5 ? '' : 'fail');
  const node = nodes.next();
  console.log(turn, String(number.value), said.value, node.value, node.done);
  if (turn < 50) return;
  clearInterval(timer);
  console.log('end', JSON.stringify(guard.return('over')), JSON.stringify(guard.next()));
  console.log(String(never.next().value), JSON.stringify(never.next()));
}, 20);
