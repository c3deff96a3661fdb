// An HTTP server with state in memory: every request counts, and answers where it was served.
const http = require('node:http');
const os = require('node:os');
let count = 0;
http
  .createServer((request, response) => {
    count += 1;
    response.end(
      JSON.stringify({ count, pid: process.pid, host: os.hostname(), node: process.version }),
    );
  })
  .listen(Number(process.argv[2] ?? 8080), '0.0.0.0', () => console.log('listening'));
let beat = 0;
setInterval(() => console.log(`beat ${++beat}`), 100);
