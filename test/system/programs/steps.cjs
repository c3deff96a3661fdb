// Something to debug: `add` is called all the time, and everything that it knows shows in the output.
let total = 0;
const depot = { shelf: { box: { label: 'kept' } } };
function add(amount) {
  const before = total; // first
  total += amount; // second
  return before; // third
}
if (process.argv[2] !== undefined) require('node:net').createServer().listen(process.argv[2]);
let beat = 0;
setInterval(() => {
  add(2);
  beat += 1;
  console.log(`beat ${beat} total ${total} ${depot.shelf.box.label}`);
}, 50);
