// Must survive: a minified bundle of several modules
// build: esbuild minified
import { Board } from './board.ts';
import { patterns } from './patterns.ts';
const board = new Board(18, 12);
board.place(patterns.glider, 1, 1);
board.place(patterns.blinker, 10, 5);
let generation = 0;
const timer = setInterval(() => {
  generation += 1;
  board.advance();
  console.log(generation, board.alive, board.digest());
  if (generation === 20) board.place(patterns.pentomino, 12, 3);
  if (generation < 45) return;
  clearInterval(timer);
  console.log(`end\n${board.toString()}`);
  process.exitCode = board.alive % 100;
}, 22);
