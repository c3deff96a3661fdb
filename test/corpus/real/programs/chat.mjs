// A chat over WebSockets: rooms with members and history. Members come back by name after a break.
import { WebSocketServer } from 'ws';

class Room {
  #members = new Map();
  #history = [];
  join(name, socket) {
    this.#members.set(name, socket);
    socket.send(JSON.stringify({ kind: 'history', lines: this.#history }));
  }
  leave(name, socket) {
    if (this.#members.get(name) === socket) this.#members.delete(name);
  }
  say(name, text) {
    const line = { number: this.#history.length + 1, name, text };
    this.#history.push(line);
    for (const socket of this.#members.values()) {
      if (socket.readyState === 1) socket.send(JSON.stringify({ kind: 'line', line }));
    }
  }
}

const rooms = new Map();
const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
server.on('connection', (socket, request) => {
  const { searchParams } = new URL(request.url, 'ws://chat');
  const [name, where] = [searchParams.get('name'), searchParams.get('room')];
  if (!rooms.has(where)) rooms.set(where, new Room());
  const room = rooms.get(where);
  room.join(name, socket);
  socket.on('message', (data) => room.say(name, String(data)));
  socket.on('close', () => room.leave(name, socket));
});
const pulse = setInterval(() => {
  for (const socket of server.clients) socket.ping();
}, 50);
server.on('close', () => clearInterval(pulse));
server.on('listening', () => console.log('port', server.address().port));
