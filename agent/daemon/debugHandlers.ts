import type { Handler } from '../../common/rpc.ts';
import type { AgentRequests } from '../../protocol/index.ts';
import type { Services } from './services.ts';

type DebugRequests = Pick<AgentRequests, 'listDebuggees' | 'attachDebugger'>;

export function debugHandlers({ processes, debug, tickets }: Services): {
  readonly [K in keyof DebugRequests]: Handler<DebugRequests[K]>;
} {
  return {
    listDebuggees: async ({ id }) => ({ debuggees: await debug.list(processes.get(id)) }),
    attachDebugger: async ({ id, innerPid }) => {
      const stream = await debug.open(processes.get(id), innerPid);
      const ticket = tickets.issue(
        (client) => stream.attach(client),
        () => stream.dispose(),
      );
      return { ticket, debuggee: stream.debuggee };
    },
  };
}
