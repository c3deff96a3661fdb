// Must survive: bound functions, with their target, this and arguments, bound again, and as constructors
function greet(greeting, name, mark) {
  this.count = (this.count ?? 0) + 1;
  return `${greeting} ${name}${mark} ${this.id}#${this.count}`;
}
const ann = { id: 'ann' };
const bob = { id: 'bob' };
const hello = greet.bind(ann, 'hello');
const helloBob = hello.bind(bob, 'again');
const unbound = Function.prototype.call.bind(greet, bob);
function Point(x, y) {
  this.x = x;
  this.y = y;
}
Point.prototype.sum = function () {
  return this.x + this.y;
};
const OnAxis = Point.bind(null, 0);
const log = console.log.bind(console, 'log:');
const push = Array.prototype.push.bind([]);
const points = [];
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  points.push(new OnAxis(turn));
  const say = [hello('you', '!'), helloBob('?'), unbound('hi', 'there', '.')];
  log(
    turn,
    say[turn % 3],
    points.reduce((sum, point) => sum + point.sum(), 0),
    push(turn),
  );
  if (turn < 45) return;
  clearInterval(timer);
  console.log(
    'end',
    hello.name,
    helloBob.length,
    points[0] instanceof OnAxis,
    'prototype' in OnAxis,
  );
  console.log(
    ann.count,
    bob.count,
    points.every((point) => point instanceof Point),
  );
}, 22);
