import { pipeline } from 'node:stream/promises';
import type { AgentHome } from '../state/home.ts';
import { connectSocket } from './connect.ts';

/** Joins standard input and output to the agent's socket, for SSH servers that forward no sockets. */
export async function pipeToDaemon(home: AgentHome): Promise<void> {
  const socket = await connectSocket(home.socket);
  await Promise.all([pipeline(process.stdin, socket), pipeline(socket, process.stdout)]);
}
