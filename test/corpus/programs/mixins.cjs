// Must survive: classes made by functions, several of them from one place in the source
const Named = (Base) =>
  class extends Base {
    #name = 'nobody';
    named(name) {
      this.#name = name;
      return this;
    }
    toString() {
      return `${this.#name}(${super.toString()})`;
    }
  };
const Counting = (Base, by) =>
  class Counting extends Base {
    static instances = 0;
    n = (Counting.instances += 1);
    tick() {
      this.n += by;
      return super.tick?.() ?? this.n;
    }
  };
class Plain {
  toString() {
    return 'plain';
  }
}
const classes = [
  Named(Plain),
  Counting(Plain, 2),
  Named(Counting(Plain, 3)),
  Counting(Named(Counting(Plain, 5)), 7),
];
const things = classes.map((Class) => new Class());
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  const thing = things[turn % things.length];
  thing.tick?.();
  thing.named?.(`t${turn}`);
  if (turn % 10 === 0) {
    const Fresh = Named(Counting(Plain, turn));
    things.push(new Fresh().named('fresh'));
  }
  console.log(turn, String(thing), thing.n, things.length);
  if (turn < 45) return;
  clearInterval(timer);
  console.log('end', classes.map(({ instances }) => instances).join(), things.join(' '));
  console.log(things[2] instanceof classes[0], classes[3].name, things[3] instanceof classes[1]);
}, 22);
