// The program that is moved: it knows nothing of Flick. Its state is a variable.
const http = require('node:http');
const os = require('node:os');

let visitors = 0;
http
  .createServer((request, response) => {
    visitors += 1;
    response.setHeader('connection', 'close');
    response.end(JSON.stringify({ visitors, host: os.hostname() }));
  })
  .listen(8080, '0.0.0.0');

let line = 0;
setInterval(() => console.log(`line ${++line}: ${visitors} visitors so far`), 250);
