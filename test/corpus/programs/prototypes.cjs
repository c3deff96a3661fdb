// Must survive: prototypes edited while running, chains of one's own, objects without a prototype
const bare = Object.create(null, { x: { value: 1, writable: true, enumerable: true } });
const grand = { level: 'grand', who: () => 'grand' };
const parent = Object.create(grand, { level: { value: 'parent', writable: true } });
const child = Object.assign(Object.create(parent), { own: 0 });
function Animal(name) {
  this.name = name;
}
Animal.prototype.speak = function () {
  return `${this.name} speaks`;
};
function Dog(name) {
  Animal.call(this, name);
}
Dog.prototype = Object.create(Animal.prototype);
Dog.prototype.constructor = Dog;
const dogs = [new Dog('rex')];
Array.prototype.second = function () {
  return this[1];
};
Object.defineProperty(String.prototype, 'shout', {
  configurable: true,
  get() {
    return `${this.toUpperCase()}!`;
  },
});
Number.prototype.valueOf.tagged = 'on a builtin';
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  bare[`k${turn % 5}`] = turn;
  child.own += 1;
  if (turn % 9 === 0) dogs.push(new Dog(`d${turn}`));
  if (turn === 12)
    Dog.prototype.speak = function () {
      return `${Animal.prototype.speak.call(this)}, barks`;
    };
  if (turn === 22) Object.setPrototypeOf(child, { level: 'adopted', who: () => 'adopted' });
  if (turn === 32) delete Dog.prototype.speak;
  console.log(
    turn,
    child.level,
    child.who(),
    dogs.at(-1).speak(),
    [turn, -turn].second(),
    'a'.shout,
  );
  if (turn < 45) return;
  clearInterval(timer);
  console.log(
    'end',
    JSON.stringify(bare),
    'toString' in bare,
    dogs.every((dog) => dog instanceof Animal),
  );
  console.log(Object.keys(child).join(), Number.prototype.valueOf.tagged);
}, 22);
