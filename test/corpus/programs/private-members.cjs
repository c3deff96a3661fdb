// Must survive: private fields, methods and accessors, and `#name in` as a brand check
class Vault {
  #coins = 0;
  #log = [];
  #seal;
  constructor(seal) {
    this.#seal = seal;
  }
  #note(kind) {
    this.#log.push(kind);
    return this.#log.length;
  }
  get #weight() {
    return this.#coins * 2;
  }
  set #weight(value) {
    this.#coins = value / 2;
  }
  put(amount) {
    this.#coins += amount;
    return this.#note('put');
  }
  press() {
    this.#weight = this.#weight + 2;
    return () => this.#note('later');
  }
  static isVault(thing) {
    return #seal in thing;
  }
  static swap(one, other) {
    [one.#coins, other.#coins] = [other.#coins, one.#coins];
  }
  toString() {
    return `${this.#seal}:${this.#coins}:${this.#log.length}`;
  }
}
class Nested extends Vault {
  #coins = 'own';
  #inner = new (class {
    #depth = 0;
    down = () => (this.#depth += 1);
  })();
  get both() {
    return `${this.#coins}/${this.#inner.down()}/${super.toString()}`;
  }
}
const vaults = [new Vault('a'), new Nested('b'), new Vault('c')];
const later = [];
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  vaults[turn % 3].put(turn);
  if (turn % 4 === 0) later.push(vaults[turn % 3].press());
  if (turn % 9 === 0) console.log('later', later.shift()());
  if (turn % 10 === 0) Vault.swap(vaults[0], vaults[1]);
  console.log(turn, vaults.join(' '), vaults[1].both);
  if (turn < 45) return;
  clearInterval(timer);
  console.log(
    'end',
    vaults.map(Vault.isVault).join(),
    Vault.isVault({}),
    Object.keys(vaults[1]).join(),
  );
}, 22);
