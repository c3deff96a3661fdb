// Must survive: an HTTP server with its settings, sessions and timeouts; the program asks itself
const http = require('node:http');
const sessions = new Map();
const server = http.createServer({ keepAliveTimeout: 1234 }, (request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://x');
  const session = sessions.get(searchParams.get('id')) ?? { visits: 0, notes: [] };
  sessions.set(searchParams.get('id'), session);
  session.visits += 1;
  response.setHeader('content-type', 'application/json');
  if (request.method === 'POST') {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      session.notes.push(body.length);
      response.end(JSON.stringify(session));
    });
  } else {
    response.statusCode = pathname === '/gone' ? 410 : 200;
    response.end(JSON.stringify({ pathname, visits: session.visits }));
  }
});
server.headersTimeout = 4321;
server.on('listening', () => console.log('listening'));
const ask = (path, method = 'GET', body = undefined) =>
  new Promise((resolve, reject) => {
    const { port } = server.address();
    const request = http.request(
      { port, host: '127.0.0.1', path, method, agent: false },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk) => (text += chunk));
        response.on('end', () => resolve(`${response.statusCode} ${text}`));
      },
    );
    request.on('error', reject).end(body);
  });
server.listen(0, '127.0.0.1', async () => {
  for (let turn = 0; turn < 36; turn += 1) {
    await new Promise((done) => setTimeout(done, 30));
    const id = 'abc'[turn % 3];
    if (turn % 4 === 3) console.log(turn, await ask(`/notes?id=${id}`, 'POST', 'x'.repeat(turn)));
    else console.log(turn, await ask(turn % 5 ? `/p${turn}?id=${id}` : `/gone?id=${id}`));
  }
  server.close(() => {
    console.log(
      'end',
      JSON.stringify([...sessions]),
      server.keepAliveTimeout,
      server.headersTimeout,
    );
    process.exitCode = 20;
  });
});
