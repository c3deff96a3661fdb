// Must survive: a server on a unix socket, which is served again at its path
const net = require('node:net');
const { existsSync } = require('node:fs');
let total = 0;
const server = net.createServer((socket) => {
  socket.on('data', (chunk) => {
    total += Number(chunk);
    socket.end(String(total));
  });
});
const ask = (n) =>
  new Promise((resolve, reject) => {
    const socket = net.connect('own.sock', () => socket.write(String(n)));
    socket.on('error', reject).on('data', (chunk) => resolve(String(chunk)));
  });
server.listen('own.sock', async () => {
  for (let turn = 1; turn <= 40; turn += 1) {
    await new Promise((done) => setTimeout(done, 27));
    console.log(turn, await ask(turn));
  }
  server.close(() => console.log('end', total, existsSync('own.sock')));
});
