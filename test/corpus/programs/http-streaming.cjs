// Must survive: answers that take a while: the move waits for a moment without a request under way
const http = require('node:http');
const server = http.createServer(async (request, response) => {
  for (let part = 0; part < 3; part += 1) {
    response.write(`part ${part} of ${request.url};`);
    await new Promise((done) => setTimeout(done, 5));
  }
  response.end('over');
});
const ask = (path) =>
  new Promise((resolve, reject) => {
    const { port } = server.address();
    http
      .get({ port, host: '127.0.0.1', path, agent: false }, async (response) => {
        let text = '';
        for await (const chunk of response) text += chunk;
        resolve(text);
      })
      .on('error', reject);
  });
server.listen(0, '127.0.0.1', async () => {
  for (let turn = 0; turn < 20; turn += 1) {
    await new Promise((done) => setTimeout(done, 37));
    console.log(turn, await ask(`/${turn}`));
  }
  server.close(() => console.log('end'));
});
