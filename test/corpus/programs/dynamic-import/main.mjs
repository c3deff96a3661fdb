// Must survive: modules imported while running, CommonJS and JSON among them, and imports by code of before
const registry = new Map();
const load = async (name) => {
  const module = await import(`./${name}`);
  registry.set(name, module);
  return module;
};
let same = 0;
for (let turn = 0; turn < 32; turn += 1) {
  await new Promise((done) => setTimeout(done, 27));
  const name = ['one.mjs', 'two.cjs', 'one.mjs', 'three.mjs'][turn % 4];
  const before = registry.get(name);
  const module = await load(turn < 16 && name === 'three.mjs' ? 'one.mjs' : name);
  if (before === module) same += 1;
  console.log(turn, name, module.next?.() ?? module.default.next(), [...registry.keys()].join());
}
try {
  await load('missing.mjs');
} catch ({ code }) {
  console.log('end', code, same, (await import('node:path')).posix.sep);
}
