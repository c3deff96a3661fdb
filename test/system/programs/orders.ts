// What the scene of a debug session is played with: classes, closures, a large map and calls that wait for each other.
interface Address {
  readonly street: string;
  readonly city: { readonly name: string; readonly zip: readonly number[] };
}

class Customer {
  readonly name: string;
  readonly address: Address;
  #visits = 0;

  constructor(name: string, zip: number) {
    this.name = name;
    this.address = { street: 'Main Street', city: { name: 'Springfield', zip: [zip, zip + 1] } };
  }

  visit(): number {
    this.#visits += 1; // in visit
    return this.#visits;
  }
}

const customers = new Map<string, Customer>();
for (let index = 0; index < 10_000; index += 1) {
  customers.set(`customer ${index}`, new Customer(`customer ${index}`, index));
}

function makeTill(start: number): (amount: number) => number {
  let takings = start;
  return (amount) => {
    const before = takings; // in the till
    takings = before + amount;
    return takings;
  };
}

const till = makeTill(1_000);

function price(round: number): number {
  const net = round * 2; // in price
  return net + 1;
}

async function pay(amount: number): Promise<number> {
  await null;
  return till(amount); // paid
}

async function order(round: number): Promise<string> {
  const customer = customers.get('customer 7');
  let amount = price(round); // priced
  amount += customer?.visit() ?? 0; // visited
  const takings = await pay(amount); // waited
  return `round ${round} amount ${amount} takings ${takings} ${customer?.address.city.name}`;
}

let rounds = 0;
let isOpen = false;
const wheel = new Int32Array(1);

function spin(): void {
  console.log('spins');
  // Compiled code may keep a plain variable that the loop does not change in a register, whatever a debugger does.
  while (Atomics.load(wheel, 0) === 1);
  console.log('spun');
}

Object.assign(globalThis, {
  open: () => (isOpen = true),
  close: () => (isOpen = false),
  spinSoon: () => {
    Atomics.store(wheel, 0, 1);
    setImmediate(spin);
  },
});
setInterval(() => {
  if (!isOpen) return;
  rounds += 1;
  void order(rounds).then((line) => console.log(line));
}, 20);
