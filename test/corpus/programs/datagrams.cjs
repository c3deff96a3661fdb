// Must survive: a UDP socket with its port, which the program sends to itself
const dgram = require('node:dgram');
const socket = dgram.createSocket({ type: 'udp4', reuseAddr: true });
const received = [];
let port;
let sent = 0;
function send() {
  sent += 1;
  socket.send(`packet ${sent}`, port, '127.0.0.1');
}
let waiting;
socket.on('message', (message, { port: from }) => {
  if (received.at(-1) === String(message)) return;
  clearTimeout(waiting);
  received.push(String(message));
  console.log(String(message), from === port, message.length);
  if (sent < 40) return void setTimeout(next, 25);
  socket.close(() => console.log('end', received.length, received.at(-1)));
});
function next() {
  send();
  // A datagram may be lost, as ever: it is sent again.
  waiting = setTimeout(() => {
    sent -= 1;
    next();
  }, 500);
}
socket.bind(0, '127.0.0.1', () => {
  port = socket.address().port;
  next();
});
