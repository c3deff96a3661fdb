export let count = 0;
export const history = [];
export function increment(by) {
  count += by;
  history.push(count);
}
export class Shape {
  #side;
  constructor(side) {
    this.#side = side;
  }
  area() {
    return this.#side ** 2;
  }
}
let current = () => `first default ${count % 10}`;
export { current as default };
export const replaceDefault = () => {
  current = () => `second default ${count % 10}`;
};
