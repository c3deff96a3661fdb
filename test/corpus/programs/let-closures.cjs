// Must survive: the binding that each iteration of a loop has of its own, seen by its closures
const readers = [];
const writers = [];
for (let i = 0; i < 5; i += 1) {
  readers.push(() => i);
  writers.push((by) => (i += by));
}
for (const letter of 'abc') {
  for (let round = 0, limit = 2; round < limit; round += 1) {
    readers.push(() => `${letter}${round}/${limit}`);
  }
}
for (const key in { north: 1, south: 2 }) readers.push(() => key);
{
  let block = 100;
  readers.push(() => block);
  writers.push((by) => (block -= by));
}
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  writers[turn % writers.length](turn);
  console.log(turn, readers.map((read) => read()).join(' '));
  if (turn % 10 === 0) for (let own = turn; own < turn + 2; own += 1) readers.push(() => own++);
  if (turn < 50) return;
  clearInterval(timer);
  console.log('end', readers.length, readers.map((read) => read()).join());
}, 20);
