import { ping, rounds } from './ping.mjs';
export let bounces = 0;
export function pong(ball, left) {
  bounces += rounds % 2;
  ball.hit('pong');
  return left === 0 ? -bounces : ping(ball, left - 1);
}
export class Ball {
  #hits = { ping: 0, pong: 0 };
  hit(by) {
    this.#hits[by] += 1;
  }
  toString() {
    return JSON.stringify(this.#hits);
  }
}
