// Must survive: async functions suspended at an await in every position of a statement
const pause = (ms, value) => new Promise((done) => setTimeout(done, 2 * ms, value));
const log = [];
async function positions(k) {
  const plain = await pause(2, k);
  let assigned;
  assigned = await pause(2, plain + 1);
  const { x, y = await pause(2, 'default') } = await pause(2, { x: k });
  if (await pause(2, k % 2 === 0)) log.push('even');
  else log.push('odd');
  switch (await pause(2, k % 3)) {
    case 0:
      log.push('zero');
    case 1:
      await pause(2);
      log.push('one');
      break;
    default:
      log.push('more');
  }
  for (let i = await pause(1, 0); i < (await pause(1, 2)); i += await pause(1, 1))
    log.push(`i${i}`);
  let w = 2;
  while (await pause(1, (w -= 1) >= 0)) log.push(`w${w}`);
  const or = (await pause(1, null)) ?? (await pause(1, 'nullish'));
  await pause(1);
  (await pause(1, (value) => log.push(value)))('called');
  const arrow = async () => (await pause(1, { deep: { er: k } })).deep.er;
  const nested = await arrow();
  if (k === 5) throw await pause(1, new Error(`at ${k}`));
  return await pause(1, [plain, assigned, x, y, or, nested].join(' '));
}
async function main() {
  for (let k = 0; k < 12; k += 1) {
    try {
      console.log(k, await positions(k));
    } catch (error) {
      console.log(k, 'threw', error.message);
    }
    console.log(log.splice(0).join(' '));
  }
}
main().then(() => console.log('end', log.length));
