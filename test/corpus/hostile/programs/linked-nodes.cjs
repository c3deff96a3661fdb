// Must survive: a hundred thousand linked nodes, and as deep a nest of arrays, maps, closures and promises
let list = null;
for (let n = 0; n < 100_000; n += 1) list = { n, next: list };
let nest = [];
for (let n = 0; n < 20_000; n += 1) nest = [nest];
let maps = new Map();
for (let n = 0; n < 10_000; n += 1) maps = new Map([[maps, n]]);
let call = () => 0;
for (let n = 0; n < 5_000; n += 1) {
  const before = call;
  call = () => [before, n];
}
let proto = { bottom: true };
for (let n = 0; n < 2_000; n += 1) proto = Object.create(proto);
let open;
let chain = new Promise((done) => (open = done));
for (let n = 0; n < 5_000; n += 1) chain = chain.then((value) => value + 1);
console.log('ready');
let turn = 0;
const timer = setInterval(async () => {
  turn += 1;
  list = list.next;
  console.log(turn, list.n);
  if (turn < 60) return;
  clearInterval(timer);
  let [length, depth, size, calls] = [0, 0, 0, 0];
  for (let at = list; at !== null; at = at.next) length += 1;
  for (let at = nest; at.length > 0; at = at[0]) depth += 1;
  for (let at = maps; at.size > 0; at = at.keys().next().value) size += 1;
  for (let at = call(); at !== 0; at = at[0]()) calls += 1;
  open(0);
  console.log('end', length, depth, size, calls, proto.bottom, await chain);
}, 15);
