// Must survive: variables of a switch, of a catch clause and of bare blocks, and closures over them
function makeShape(kind, size) {
  switch (kind) {
    case 'square':
      let side = size;
      return { grow: () => (side += 1), area: () => side * side };
    case 'circle': {
      const radius = { value: size };
      return { grow: () => (radius.value += 2), area: () => radius.value ** 2 * 3 };
    }
    default:
      var unknown = kind;
      function area() {
        return unknown.length * size;
      }
      return { grow: () => (unknown += '?'), area };
  }
}
function rescue(thunk) {
  try {
    return thunk();
  } catch ({ message, code = 'none' }) {
    let tries = 0;
    return () => `${message}/${code}/${(tries += 1)}`;
  }
}
const shapes = [makeShape('square', 2), makeShape('circle', 3), makeShape('blob', 4)];
const rescued = rescue(() => {
  throw Object.assign(new Error('lost'), { code: 'E1' });
});
const depth = (() => {
  let a = 1;
  {
    let a = 2;
    {
      let a = 3;
      return [() => (a += 1), () => a * 10, () => a];
    }
  }
})();
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  shapes[turn % 3].grow();
  if (turn % 10 === 0) shapes.push(makeShape(['square', 'circle', 'x'][turn % 3], turn));
  console.log(turn, shapes.map(({ area }) => area()).join(), rescued(), depth[turn % 3]());
  if (turn < 46) return;
  clearInterval(timer);
  console.log('end', shapes.length);
}, 20);
