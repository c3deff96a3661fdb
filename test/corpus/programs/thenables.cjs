// Must survive: objects with a then method, awaited, resolved with and pending
const log = [];
class Query {
  #rows;
  #runs = 0;
  constructor(rows) {
    this.#rows = rows;
  }
  where(test) {
    return new Query(this.#rows.filter(test));
  }
  then(resolve, reject) {
    this.#runs += 1;
    log.push(`run ${this.#runs} of ${this.#rows.length}`);
    setTimeout(() => {
      if (this.#rows.length === 0) reject(new Error('no rows'));
      else resolve(this.#rows.length);
    }, 5);
  }
}
const all = new Query(Array.from({ length: 30 }, (_, n) => n));
const lazy = {
  get then() {
    log.push('then was read');
    return (resolve) => resolve('lazy');
  },
};
async function main() {
  for (let turn = 0; turn < 30; turn += 1) {
    try {
      console.log(turn, await all.where((n) => n % 10 > turn % 12));
    } catch (error) {
      console.log(turn, error.message);
    }
    if (turn % 7 === 0)
      console.log(await lazy, await Promise.resolve(all), await (async () => lazy)());
  }
  const chained = Promise.resolve()
    .then(() => all)
    .then((count) => `counted ${count}`);
  console.log(await chained);
  console.log('end', log.length, log.slice(-3).join());
}
main();
