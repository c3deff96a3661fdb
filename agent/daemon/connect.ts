import { connect, type Socket } from 'node:net';

/** Connects to a unix socket. @throws the error of connect(2), such as ENOENT or ECONNREFUSED when nobody listens */
export async function connectSocket(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      // Whoever uses the socket sees its failure in what they read or write.
      socket.on('error', () => undefined);
      resolve(socket);
    });
  });
}
