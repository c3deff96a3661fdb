import type { Handler } from '../../common/rpc.ts';
import type { AgentRequests } from '../../protocol/index.ts';
import type { Services } from './services.ts';

type HandoffRequests = Pick<
  AgentRequests,
  | 'checkDeparture'
  | 'checkArrival'
  | 'sendProcess'
  | 'receiveProcess'
  | 'awaitHandoff'
  | 'cancelHandoff'
  | 'queryHandoff'
  | 'listDoubts'
  | 'settleHandoff'
  | 'resolveDoubt'
>;

export function handoffHandlers(services: Services): {
  readonly [K in keyof HandoffRequests]: Handler<HandoffRequests[K]>;
} {
  const { handoffs, tickets } = services;
  return {
    checkDeparture: (params) => handoffs.checkDeparture(params),
    checkArrival: ({ id, facts }) => handoffs.checkArrival(id, facts),
    sendProcess: async (params) => {
      const operation = await handoffs.send(params);
      return {
        ticket: tickets.issue(
          (stream) => operation.join(stream),
          () => operation.expire(),
        ),
      };
    },
    receiveProcess: async (params) => {
      const operation = await handoffs.receive(params);
      return {
        ticket: tickets.issue(
          (stream) => operation.join(stream),
          () => operation.expire(),
        ),
      };
    },
    awaitHandoff: ({ handoff }) => handoffs.outcome(handoff),
    cancelHandoff: ({ handoff }) => Promise.resolve({ cancelled: handoffs.cancel(handoff) }),
    queryHandoff: async ({ handoff }) => ({ verdict: await handoffs.query(handoff) }),
    listDoubts: () => Promise.resolve({ doubts: [...handoffs.doubts()] }),
    settleHandoff: async ({ handoff, peerVerdict }) => ({
      runsHere: await handoffs.settle(handoff, peerVerdict),
    }),
    resolveDoubt: async ({ id, choice }) => ({ runsHere: await handoffs.resolve(id, choice) }),
  };
}
