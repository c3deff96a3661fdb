// Must survive: async functions suspended while values of an unfinished expression are held
// may refuse: suspended inside an expression
const pause = (ms, value) => new Promise((done) => setTimeout(done, 2 * ms, value));
const state = { n: 0, list: [], log: '' };
const next = () => (state.n += 1);
async function step(k) {
  const most = Math.max(next(), await pause(3, k), next());
  const sum = next() + (await pause(3, 10)) * next();
  const text = `${next()}-${await pause(2, 'mid')}-${next()}`;
  const array = [next(), await pause(2, 'a'), ...(await pause(2, ['b', 'c'])), next()];
  const object = { [next()]: await pause(2, 'v'), last: next() };
  state.list[state.list.length] = await pause(2, k);
  state.log += await pause(2, `/${k}`);
  const tested = (await pause(2, k % 2)) ? next() : await pause(2, -1);
  return [most, sum, text, array.join(), JSON.stringify(object), tested].join(' ');
}
(async () => {
  for (let k = 0; k < 18; k += 1) console.log(k, await step(k));
  console.log('end', JSON.stringify(state));
})();
