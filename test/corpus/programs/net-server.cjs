// Must survive: a TCP server with its settings, and short connections of the program to itself
const net = require('node:net');
const counts = new Map();
const server = net.createServer({ allowHalfOpen: true }, (socket) => {
  let text = '';
  socket.setEncoding('utf8');
  socket.on('data', (chunk) => (text += chunk));
  socket.on('end', () => {
    counts.set(text, (counts.get(text) ?? 0) + 1);
    socket.end(`${text} ${counts.get(text)} ${counts.size}`);
  });
});
server.maxConnections = 10;
server.custom = 'own';
let port;
const ask = (text) =>
  new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: '127.0.0.1' });
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk)).on('error', reject);
    socket.on('close', () => resolve(answer));
    socket.end(text);
  });
server.listen(0, '127.0.0.1', async () => {
  port = server.address().port;
  for (let turn = 0; turn < 40; turn += 1) {
    await new Promise((done) => setTimeout(done, 30));
    console.log(turn, await ask(`w${turn % 7}`));
  }
  console.log('end', server.address().port === port, server.maxConnections, server.custom);
  server.close(() => console.log('closed', JSON.stringify([...counts])));
});
