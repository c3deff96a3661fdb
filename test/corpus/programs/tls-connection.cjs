// Must survive: a long connection with encryption of the program to itself, or else it is closed and made again
const tls = require('node:tls');
const { key, cert } = require('./certificate.cjs');
const log = [];
const server = tls.createServer({ key, cert }, (socket) => {
  socket.setEncoding('utf8').on('error', () => {});
  let rest = '';
  socket.on('data', (chunk) => {
    rest += chunk;
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      const number = Number(rest.slice(0, end));
      rest = rest.slice(end + 1);
      // What was sent again after a break is noted once.
      if (number > (log.at(-1) ?? 0)) log.push(number);
      socket.write(`${number}\n`);
    }
  });
});
let sent = 1;
let socket;
function connect() {
  const { port } = server.address();
  socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  let rest = '';
  socket.setEncoding('utf8').on('error', () => {});
  socket.on('data', (chunk) => {
    rest += chunk;
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      const number = Number(rest.slice(0, end));
      rest = rest.slice(end + 1);
      if (number === sent) confirmed();
    }
  });
  socket.on('close', () => {
    if (sent <= 40) setTimeout(connect, 5);
  });
  socket.on('secureConnect', () => socket.write(`${sent}\n`));
}
function confirmed() {
  console.log('confirmed', sent);
  sent += 1;
  setTimeout(() => {
    if (sent <= 40) return void socket.write(`${sent}\n`);
    socket.destroy();
    server.close();
    console.log(
      'end',
      log.length,
      log.reduce((sum, n) => sum + n, 0),
      socket.encrypted,
    );
  }, 25);
}
server.listen(0, '127.0.0.1', connect);
