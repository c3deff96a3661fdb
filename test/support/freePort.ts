import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below the ports that the kernel hands out by itself (ip(7), ip_local_port_range): nobody else gets it meanwhile. */
const [lowest, beyond] = [15_000, 32_000];

/** A port of 127.0.0.1 that nothing listens on, for a server that is told its port before it starts. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(lowest, beyond);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}
