// Must survive: both ports of a MessageChannel in one program, and a BroadcastChannel of one's own
const { port1, port2 } = new MessageChannel();
const got = [];
port2.on('message', ({ n, list }) => port2.postMessage({ answer: n * 2, size: list.size }));
let n = 0;
port1.on('message', ({ answer, size }) => {
  got.push(answer);
  console.log('answer', answer, size);
  setTimeout(ask, 22);
});
function ask() {
  n += 1;
  if (n <= 40) return port1.postMessage({ n, list: new Set(got) });
  port1.close();
  port2.once('close', () => console.log('end', got.length, got.at(-1)));
}
ask();
