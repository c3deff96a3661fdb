// Must survive: ES modules that import each other, hoisted functions and classes of them
import { ping, rounds } from './ping.mjs';
import { pong, Ball } from './pong.mjs';
const ball = new Ball();
for (let turn = 0; turn < 40; turn += 1) {
  await new Promise((done) => setTimeout(done, 25));
  console.log(turn, turn % 2 ? ping(ball, 3) : pong(ball, 2), rounds);
}
console.log('end', ball.toString(), rounds);
