// Must survive: an HTTPS server and one of TLS with their keys and settings, asked with and without kept connections
const https = require('node:https');
const tls = require('node:tls');
const { key, cert } = require('./certificate.cjs');
const visits = new Map();
const options = { key, cert: Buffer.from(cert), minVersion: 'TLSv1.2', handshakeTimeout: 9000 };
const server = https.createServer({ ...options, keepAliveTimeout: 2345 }, (request, response) => {
  visits.set(request.url, (visits.get(request.url) ?? 0) + 1);
  response.end(`${request.url} ${visits.get(request.url)} ${request.socket.encrypted}`);
});
const echo = tls.createServer(
  { ...options, ALPNProtocols: ['echo'], requestCert: false },
  (socket) => {
    socket.once('data', (text) => socket.end(`${socket.alpnProtocol} ${text}`));
    socket.on('error', () => {});
  },
);
const agent = new https.Agent({ keepAlive: true, rejectUnauthorized: false });
const common = { host: '127.0.0.1', rejectUnauthorized: false };
const once = (path, kept) =>
  new Promise((resolve, reject) => {
    const where = { ...common, port: server.address().port, path, agent: kept && agent };
    const request = https.get(where, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => (text += chunk));
      response.on('end', () => resolve(text));
    });
    request.on('error', reject);
  });
// As any client with an agent has to: a connection may have been closed while it was idle.
const ask = (path, kept) =>
  once(path, kept).catch((error) =>
    error.code === 'ECONNRESET' ? ask(path, kept) : Promise.reject(error),
  );
const say = (word) =>
  new Promise((resolve, reject) => {
    const where = { ...common, port: echo.address().port, ALPNProtocols: ['echo'] };
    const socket = tls.connect(where, () => socket.write(word));
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk) => (text += chunk));
    socket.on('end', () => resolve(text)).on('error', reject);
  });
echo.listen(0, '127.0.0.1');
server.listen(0, '127.0.0.1', async () => {
  for (let turn = 0; turn < 30; turn += 1) {
    await new Promise((done) => setTimeout(done, 30));
    const kept = turn % 3 === 0;
    console.log(turn, turn % 4 === 3 ? await say(`word ${turn}`) : await ask(`/${turn % 5}`, kept));
  }
  agent.destroy();
  echo.close();
  server.close(() => {
    console.log(
      'end',
      JSON.stringify([...visits]),
      server.keepAliveTimeout,
      String(server.cert) === cert,
    );
  });
  server.closeAllConnections();
});
