// Must survive: variables that several closures share, at several depths of scopes
function makeAccount(owner) {
  let balance = 0;
  const history = [];
  function note(kind, amount) {
    history.push(`${kind}${amount}`);
    if (history.length > 6) history.shift();
  }
  return {
    deposit(amount) {
      balance += amount;
      note('+', amount);
      return () => {
        balance -= amount;
        note('undo', amount);
        return () => {
          balance += amount * 2;
          note('twice', amount);
          return `${owner}:${balance}`;
        };
      };
    },
    get balance() {
      return balance;
    },
    history: () => history.join(),
  };
}
const accounts = ['ann', 'bob', 'cy'].map(makeAccount);
const undos = [];
const redos = [];
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  const account = accounts[turn % 3];
  undos.push(account.deposit(turn));
  if (turn % 4 === 0) redos.push(undos.shift()());
  if (turn % 7 === 0) console.log('redo', redos.shift()?.());
  console.log(turn, accounts.map(({ balance }) => balance).join());
  if (turn < 50) return;
  clearInterval(timer);
  for (const undo of undos) redos.push(undo());
  console.log('end', redos.map((redo) => redo()).join());
  for (const account of accounts) console.log(account.history());
  process.exitCode = 5;
}, 20);
