// Must survive: a CommonJS program that has imported ES modules
const modules = [];
const pause = (ms) => new Promise((done) => setTimeout(done, 2 * ms));
async function main() {
  modules.push(await import('./state.mjs'));
  const { default: start, change, Holder } = modules[0];
  const holder = new Holder(start);
  for (let turn = 0; turn < 40; turn += 1) {
    await pause(10);
    change(turn);
    holder.add(modules[0].value);
    console.log(turn, modules[0].value, holder.sum, (await import('./state.mjs')) === modules[0]);
  }
  console.log('end', holder.sum, start, Object.keys(modules[0]).join());
}
main();
