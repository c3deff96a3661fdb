// Stands in for the agent where only the way to it matters: `start`, `pipe`, and a daemon whose socket speaks the
// preamble and then echoes. Beside its socket it counts its starts.
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');

const home = process.env.FLICK_HOME || path.join(process.env.HOME, '.flick');
const socketPath = path.join(home, 'agent.sock');
const hello = () => ({
  protocol: Number(process.env.STAND_IN_PROTOCOL || 'PROTOCOL'),
  build: 'stand-in',
  version: '0.0.0',
  deviceId: 'd-stand-in',
  bootId: fs.existsSync(path.join(home, 'boot-id'))
    ? fs.readFileSync(path.join(home, 'boot-id'), 'utf8')
    : 'first boot',
  pid: process.pid,
  socket: socketPath,
});

async function answers() {
  return new Promise((resolve) => {
    const socket = net.connect(socketPath);
    socket.on('connect', () => resolve(true) || socket.destroy());
    socket.on('error', () => resolve(false));
  });
}

async function start() {
  fs.mkdirSync(home, { recursive: true, mode: 0o700 });
  fs.appendFileSync(path.join(home, 'starts'), '.');
  if (!(await answers())) {
    spawn(process.execPath, [__filename, 'daemon'], {
      detached: true,
      stdio: 'ignore',
      cwd: '/',
    }).unref();
    while (!(await answers())) await new Promise((resolve) => setTimeout(resolve, 10));
  }
  console.log(JSON.stringify(hello()));
}

function daemon() {
  // Of several that start at once only one stays, as with the real agent; none outlives its home.
  const lock = net.createServer().on('error', () => process.exit(0));
  lock.listen(`\0flick-stand-in-${home}`, serve);
  setInterval(() => fs.existsSync(home) || process.exit(0), 500);
}

function serve() {
  fs.rmSync(socketPath, { force: true });
  fs.writeFileSync(path.join(home, 'daemon.pid'), String(process.pid));
  net
    .createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => socket.destroy());
      socket.once('data', (first) => {
        const isControl = first.toString().startsWith('{"flick":"control"}\n');
        if (isControl) socket.write(`${JSON.stringify(hello())}\n`);
        else socket.write(first);
        socket.pipe(socket);
      });
    })
    .listen(socketPath);
}

function pipe() {
  const socket = net.connect(socketPath);
  socket.on('error', (error) => {
    console.error(error.message);
    process.exit(1);
  });
  process.stdin.pipe(socket).pipe(process.stdout);
}

({ start, daemon, pipe })[process.argv[2]]();
