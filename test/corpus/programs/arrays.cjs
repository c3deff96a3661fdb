// Must survive: arrays with holes, huge indexes, properties of their own, and arrays in each other
const holes = [1, , 3, , undefined];
const sparse = [];
sparse[5_000_000] = 'far';
const decorated = Object.assign([1, 2], { label: 'L', [-1]: 'minus' });
const nested = [[[[]]], holes];
nested.push(nested);
const doubles = [1.5, 2.5, NaN, -0];
const large = Array.from({ length: 5000 }, (_, n) => n * n);
const likeArray = { length: 2, 0: 'x', 1: 'y' };
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  holes[turn * 2] = turn;
  if (turn === 15) delete holes[0];
  doubles.push(doubles[turn - 1] / 2);
  nested[0][0].push(turn);
  large[turn * 7] = -1;
  sparse.length = 5_000_001 + turn;
  console.log(turn, holes.length, Object.keys(holes).length, doubles.at(-1), nested[0][0].length);
  if (turn < 45) return;
  clearInterval(timer);
  console.log(
    'end',
    1 in holes,
    4 in holes,
    sparse.length,
    sparse[5_000_000],
    Object.keys(sparse).join(),
  );
  console.log(
    decorated.label,
    decorated[-1],
    decorated.length,
    nested[2] === nested,
    nested[1] === holes,
  );
  console.log(
    large.reduce((sum, n) => sum + n, 0),
    Object.is(doubles[3], -0),
    Array.isArray(likeArray),
  );
}, 22);
