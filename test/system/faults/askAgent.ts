import { connect } from 'node:net';
import { silentLogger } from '../../../common/logger.ts';
import { greet } from '../../../common/preamble.ts';
import { RpcPeer } from '../../../common/rpc.ts';

/**
 * Speaks to an agent without a client that would do anything by itself.
 * @param socket the agent's, wherever this machine sees it
 */
export async function askAgent<T>(socket: string, work: (peer: RpcPeer) => Promise<T>): Promise<T> {
  const stream = connect(socket);
  try {
    await greet(stream);
    const peer = new RpcPeer(stream, silentLogger);
    const answer = await work(peer);
    peer.dispose();
    return answer;
  } finally {
    stream.destroy();
  }
}
