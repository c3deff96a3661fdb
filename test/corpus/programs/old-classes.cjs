// Must survive: classes as compilers of before 2015 wrote them: prototypes, helpers and guards
'use strict';
var classCallCheck = function (instance, Constructor) {
  if (!(instance instanceof Constructor)) throw new TypeError('Cannot call a class as a function');
};
var createClass = (function () {
  function define(target, props) {
    for (var i = 0; i < props.length; i++) {
      var descriptor = props[i];
      descriptor.enumerable = descriptor.enumerable || false;
      descriptor.configurable = true;
      if ('value' in descriptor) descriptor.writable = true;
      Object.defineProperty(target, descriptor.key, descriptor);
    }
  }
  return function (Constructor, members, statics) {
    if (members) define(Constructor.prototype, members);
    if (statics) define(Constructor, statics);
    return Constructor;
  };
})();
function inherits(Sub, Super) {
  Sub.prototype = Object.create(Super && Super.prototype, {
    constructor: { value: Sub, writable: true, configurable: true },
  });
  Object.setPrototypeOf(Sub, Super);
}
var _balance = new WeakMap();
var Account = (function () {
  function Account(owner) {
    classCallCheck(this, Account);
    this.owner = owner;
    _balance.set(this, 0);
  }
  createClass(
    Account,
    [
      {
        key: 'deposit',
        value: function deposit(amount) {
          _balance.set(this, _balance.get(this) + amount);
          return this;
        },
      },
      {
        key: 'balance',
        get: function get() {
          return _balance.get(this);
        },
      },
    ],
    [
      {
        key: 'open',
        value: function open(owner) {
          return new this(owner);
        },
      },
    ],
  );
  return Account;
})();
var Savings = (function (Super) {
  inherits(Savings, Super);
  function Savings(owner) {
    classCallCheck(this, Savings);
    var self = Super.call(this, owner) || this;
    self.rate = 2;
    return self;
  }
  createClass(Savings, [
    {
      key: 'deposit',
      value: function deposit(amount) {
        Super.prototype.deposit.call(this, amount * this.rate);
        return this;
      },
    },
  ]);
  return Savings;
})(Account);
var accounts = [Account.open('ann'), Savings.open('bob')];
var turn = 0;
var timer = setInterval(function () {
  turn++;
  accounts[turn % accounts.length].deposit(turn);
  if (turn % 15 === 0) accounts.push(Savings.open('s' + turn));
  var balances = accounts.map(function (account) {
    return account.owner + account.balance;
  });
  console.log(turn, balances.join());
  if (turn < 45) return;
  clearInterval(timer);
  var guard = 'none';
  try {
    Account('x');
  } catch (error) {
    guard = error.message;
  }
  console.log('end', guard, accounts[2] instanceof Account, Object.keys(Account.prototype).length);
  process.exitCode = 11;
}, 22);
