// A main thread that never comes back to its event loop.
let turns = 0;
function turn() {
  turns += 1;
  return turns;
}
console.log('turning');
for (;;) turn();
