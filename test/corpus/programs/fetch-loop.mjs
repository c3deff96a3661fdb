// Must survive: fetch from a server of the program itself; the pool of connections may be dropped
import { createServer } from 'node:http';
const hits = {};
const server = createServer((request, response) => {
  hits[request.url] = (hits[request.url] ?? 0) + 1;
  response.setHeader('x-count', hits[request.url]);
  response.end(JSON.stringify(hits));
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const { port } = server.address();
let last;
for (let turn = 0; turn < 25; turn += 1) {
  await new Promise((done) => setTimeout(done, 20));
  const response = await fetch(`http://127.0.0.1:${port}/p${turn % 4}`);
  last = await response.json();
  console.log(turn, response.status, response.headers.get('x-count'), Object.keys(last).length);
}
server.close();
server.closeAllConnections();
console.log('end', JSON.stringify(last));
