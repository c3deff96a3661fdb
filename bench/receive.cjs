'use strict';
// Takes one connection on a port and unpacks the tar stream that comes over it into a folder.
// Prints "ready" when it listens and ends when all is unpacked: receive.cjs PORT FOLDER
const { spawn } = require('node:child_process');
const net = require('node:net');

const [port = '', folder = ''] = process.argv.slice(2);
const server = net.createServer((socket) => {
  server.close();
  const tar = spawn('tar', ['-C', folder, '-x'], { stdio: ['pipe', 'inherit', 'inherit'] });
  tar.on('close', (code) => {
    process.exitCode = code ?? 1;
    socket.destroy();
  });
  socket.on('error', () => tar.kill());
  socket.pipe(tar.stdin);
});
server.listen(Number(port), () => {
  console.log('ready');
});
