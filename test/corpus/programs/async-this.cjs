// Must survive: this, arguments and new.target of suspended async methods and arrow functions
const pause = (ms, value) => new Promise((done) => setTimeout(done, 2 * ms, value));
class Meter {
  total = 0;
  #ticks = 0;
  add = async (amount) => {
    await pause(3);
    this.total += amount;
    return this;
  };
  async addAll() {
    for (let index = 0; index < arguments.length; index += 1) {
      await this.add(arguments[index]);
      this.#ticks += 1;
    }
    return arguments.length;
  }
  async nested() {
    const read = async () => {
      await pause(2);
      const deeper = async () => {
        await pause(2);
        return `${this.total}/${this.#ticks}/${arguments[0]}`;
      };
      return deeper();
    };
    return read();
  }
  static async make(start) {
    await pause(2);
    const made = new this();
    made.total = start;
    return made;
  }
}
class Loud extends Meter {
  async nested(word) {
    await pause(2);
    const quiet = await super.nested(word);
    return `${quiet.toUpperCase()}!`;
  }
}
function Legacy() {
  this.made = (async () => {
    await pause(5);
    return new.target === Legacy;
  })();
}
async function plain() {
  'use strict';
  await pause(2);
  return this === undefined ? 'nothing' : typeof this;
}
(async () => {
  const meters = [await Meter.make(100), await Loud.make(200)];
  for (let round = 0; round < 14; round += 1) {
    const meter = meters[round % 2];
    const count = await meter.addAll(round, 1, 2);
    console.log(round, count, await meter.nested(`w${round}`));
  }
  console.log(await new Legacy().made, await plain(), await plain.call(5));
  console.log('end', meters.map(({ total }) => total).join());
})();
