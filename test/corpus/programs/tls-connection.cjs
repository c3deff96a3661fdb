// Must survive: a long connection with encryption of the program to itself, or else it is closed and made again
const tls = require('node:tls');
const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgLtuDgG/cadE5NHpG
cYCPQBwRrvROZ0D3xe9i0IhXkOWhRANCAARl+m05uzqtqz0VkoksJLu1EOjV04Q5
Fcye4T11bVE6iRwwk/6dhGrVD1C/FX+Pf/xtGPaCjlI4Dh+K1jC0ejPy
-----END PRIVATE KEY-----`;
const cert = `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUK/JBkenStQDMgqzA0Him8zavXwQwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjA2NTExN1oYDzIxMjYxMDI5
MDY1MTE3WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARl+m05uzqtqz0VkoksJLu1EOjV04Q5Fcye4T11bVE6iRwwk/6dhGrV
D1C/FX+Pf/xtGPaCjlI4Dh+K1jC0ejPyo28wbTAdBgNVHQ4EFgQU7y7fc71aNNR7
KO6j6dgZujpz7LcwHwYDVR0jBBgwFoAU7y7fc71aNNR7KO6j6dgZujpz7LcwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIhAMQp+Ok2QZHTzWJhSj9gHzXg5nL22b40knrPBBmAkTqPAiBj
SEmFngwpdQeXPmTkiHbx3puAUop5c+2KAq9uzP0TjA==
-----END CERTIFICATE-----`;
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
