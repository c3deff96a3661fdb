// Must survive: requests over an agent that keeps its connections; what is dropped is made again
const http = require('node:http');
const agent = new http.Agent({ keepAlive: true, maxSockets: 2 });
let served = 0;
const server = http.createServer((request, response) => {
  served += 1;
  response.end(`${request.url} ${served}`);
});
const once = (path) =>
  new Promise((resolve, reject) => {
    const request = http.get(
      { port: server.address().port, host: '127.0.0.1', path, agent },
      (response) => {
        let text = '';
        response.on('data', (chunk) => (text += chunk));
        response.on('end', () => resolve(text));
      },
    );
    request.on('error', reject);
  });
// As any client with an agent has to: a connection may have been closed while it was idle.
const ask = (path) =>
  once(path).catch((error) => (error.code === 'ECONNRESET' ? ask(path) : Promise.reject(error)));
server.listen(0, '127.0.0.1', async () => {
  for (let turn = 0; turn < 40; turn += 1) {
    await new Promise((done) => setTimeout(done, 30));
    console.log(turn, await ask(`/${turn}`));
  }
  agent.destroy();
  server.close(() => console.log('end', served, agent.maxSockets));
  server.closeAllConnections();
});
