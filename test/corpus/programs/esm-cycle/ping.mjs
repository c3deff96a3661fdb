import { pong, bounces } from './pong.mjs';
export let rounds = 0;
export function ping(ball, left) {
  rounds += 1;
  ball.hit('ping');
  return left === 0 ? bounces : pong(ball, left - 1);
}
