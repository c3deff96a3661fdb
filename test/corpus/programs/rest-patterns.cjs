// Must survive: what patterns have collected while a function is suspended behind them, as the object that others hold
const kept = new Map();
const keep = (name, collected) => {
  if (!kept.has(collected)) kept.set(collected, name);
  return collected;
};
const known = (collected) => kept.get(collected) ?? 'unknown';
function* declared(list, bag) {
  const [first, ...others] = list;
  const { a, ...rest } = bag,
    [[, ...nested], ...[second = 'none', ...more]] = [others, ...others];
  let turn = 0;
  for (const each of [others, rest, nested, more]) keep(`declared ${(turn += 1)}`, each);
  for (;;) {
    yield [first, a, second, ...[others, rest, nested, more].map(known)].join(' ');
    others.push((turn += 1));
    rest[`k${turn % 3}`] = others.length + nested.length;
  }
}
function* loops(entries) {
  for (let [one, ...left] = keep('head', entries.slice()); left.length > 0; left = left.slice(1)) {
    keep(`left ${left.length}`, left);
    yield `${one} ${known(left)} ${left.length}`;
  }
  for (const [name, ...values] of entries.map((each) => [...each])) {
    keep(`values ${name}`, values);
    const show = () => known(values);
    yield `${name} ${known(values)}`;
    values.push(name);
    for (const { length, ...parts } of [values]) yield `${length} ${Object.keys(parts)} ${show()}`;
  }
}
function* failing(turn) {
  try {
    throw Object.assign(new Error(`failure ${turn}`), { code: turn, list: [turn] });
  } catch ({ message, ...rest }) {
    keep(`caught ${turn}`, rest);
    yield `${message} ${known(rest)}`;
    rest.code += 1;
    yield JSON.stringify(rest);
  }
}
async function waiting(turn) {
  const [{ value, ...rest }, ...others] = [{ value: turn, more: turn + 1 }, turn, turn];
  keep(`waiting ${turn % 2}`, rest);
  await new Promise((done) => setTimeout(done, 20));
  return [value, known(rest), others.length, JSON.stringify(rest)].join(' ');
}
const entries = ['xyz', 'uv', 'w'];
const forever = function* (make) {
  for (let turn = 0; ; turn += 1) yield* make(turn);
};
const runs = [
  declared(['f', 's', 't'], { a: 1, b: 2 }),
  forever(() => loops(entries)),
  forever(failing),
];
async function main() {
  for (let turn = 1; turn <= 60; turn += 1) {
    const waited = await waiting(turn);
    console.log(turn, runs[turn % runs.length].next().value, waited);
  }
  console.log('end', kept.size, JSON.stringify([...kept]));
}
main();
