import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, connect, type AddressInfo } from 'node:net';
import { RpcPeer } from '../../common/rpc.ts';
import { shutdownAgent } from '../../protocol/index.ts';
import { silentLogger } from '../../common/logger.ts';

describe('a connection of requests', () => {
  it('gives the answers that came right before it ended', async () => {
    const server = createServer((socket) => {
      socket.once('data', () => {
        const answers = [0, 1, 2].map((id) => {
          const body = JSON.stringify({ jsonrpc: '2.0', id, result: {} });
          return `Content-Length: ${String(body.length)}\r\n\r\n${body}`;
        });
        socket.end(answers.join(''));
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
      const peer = new RpcPeer(socket, silentLogger);
      const closed = new Promise<void>((resolve) => peer.onDidClose(resolve));
      const asked = [0, 1, 2].map(() => peer.request(shutdownAgent, {}));
      assert.deepEqual(await Promise.all(asked), [{}, {}, {}]);
      await closed;
      await assert.rejects(peer.request(shutdownAgent, {}), /connection to the agent was lost/);
    } finally {
      server.close();
    }
  });
});
