// Must survive: what fields hold, in the order of their definition; initializers do not run again
let initialised = 0;
const once = (value) => {
  initialised += 1;
  return value;
};
const key = () => `key${once('')}${initialised}`;
class Widget {
  id = once(initialised);
  handler = () => `${this.id}:${this.clicks}`;
  clicks = once(0);
  [key()] = once('computed');
  'quoted name' = once(['list']);
  uninitialised;
  #secret = once({ deep: true });
  static #made = 0;
  constructor() {
    Widget.#made += 1;
    this.late = 'late';
  }
  static get made() {
    return Widget.#made;
  }
  get secret() {
    return this.#secret;
  }
}
class Child extends Widget {
  clicks = once(100);
  handler = () => `child of ${this.id} ${super.secret.deep}`;
}
const widgets = [new Widget(), new Child()];
const detached = widgets.map(({ handler }) => handler);
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  widgets[turn % widgets.length].clicks += 1;
  if (turn % 15 === 0) {
    widgets.push(new [Widget, Child][turn % 2]());
    detached.push(widgets.at(-1).handler);
  }
  console.log(turn, detached.map((handler) => handler()).join(' '), initialised);
  if (turn < 45) return;
  clearInterval(timer);
  console.log('end', Object.keys(widgets[1]).join(), 'uninitialised' in widgets[0], Widget.made);
  console.log(JSON.stringify(widgets), widgets[0].secret === widgets[1].secret);
}, 22);
