// Must survive: objects reached by ?., and logical assignments that happen only once
let made = 0;
const make = (value) => {
  made += 1;
  return value;
};
const root = {
  maybe: null,
  list: [{ call: (x) => `c${x}` }, undefined],
  cache: Object.create(null),
  get lazy() {
    return (this.kept ??= make({ since: made }));
  },
};
let flag = '';
let zero = 0;
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  if (turn === 15) root.maybe = { deep: { method: () => `m${turn}` } };
  if (turn === 35) root.maybe.deep = undefined;
  root.cache[`k${turn % 6}`] ??= make(turn);
  flag ||= turn > 10 ? `set at ${turn}` : '';
  zero &&= zero + 1;
  if (turn === 20) zero = 1;
  const parts = [
    root.maybe?.deep?.method?.(),
    root.list[turn % 3]?.call(turn),
    root.none?.[make('unreached')],
    root.lazy.since,
    delete root.cache?.[`k${turn % 5}`],
  ];
  console.log(turn, parts.map(String).join(), flag, zero, made);
  if (turn < 50) return;
  clearInterval(timer);
  console.log('end', JSON.stringify(root), made);
}, 20);
