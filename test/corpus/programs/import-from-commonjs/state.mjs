export let value = 1;
export function change(by) {
  value = (value * 3 + by) % 1009;
}
export class Holder {
  #sum;
  constructor(start) {
    this.#sum = start;
  }
  add(n) {
    this.#sum += n;
  }
  get sum() {
    return this.#sum;
  }
}
export default 1000;
