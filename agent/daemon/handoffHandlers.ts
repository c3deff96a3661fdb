import type { Duplex } from 'node:stream';
import type { Handler } from '../../common/rpc.ts';
import type { AgentRequests, ResultOf } from '../../protocol/index.ts';
import { plainLink, type HandoffOperation, type LinkView } from '../handoff/context.ts';
import type { Services } from './services.ts';

type HandoffRequests = Pick<
  AgentRequests,
  | 'checkDeparture'
  | 'checkArrival'
  | 'sendProcess'
  | 'receiveProcess'
  | 'serveMemory'
  | 'fetchMissing'
  | 'meetPeer'
  | 'relayHandoff'
  | 'abandonLink'
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
  const { handoffs, links, tickets } = services;

  /** Two ways to be joined with the other half, of which the client takes one. */
  const joining = async (
    operation: HandoffOperation<unknown>,
    wantsLink: boolean | undefined,
  ): Promise<ResultOf<HandoffRequests['sendProcess']>> => {
    let joined = false;
    const join = (stream: Duplex, link: LinkView): void => {
      if (joined) stream.destroy();
      else operation.join(stream, link);
      joined = true;
    };
    const ticket = tickets.issue(
      (stream) => join(stream, plainLink),
      () => operation.expire(),
    );
    const link = wantsLink === true ? await links.prepare(operation, join) : undefined;
    return { ticket, ...(link === undefined ? {} : { link }) };
  };

  /** Makes ready to go on with memory that was on its way. */
  const meetingAgain = async (
    operation: HandoffOperation<unknown>,
  ): Promise<ResultOf<HandoffRequests['serveMemory']>> => {
    const link = await links.prepare(operation, (stream, view) => operation.join(stream, view));
    if (link === undefined) operation.expire();
    return link === undefined ? {} : { link };
  };

  /** A move that waits in vain for a lost link does not stand in the way of the next one. */
  const makeRoom = async (process: string): Promise<void> => {
    const earlier = handoffs.arrivalOf(process);
    if (earlier === undefined || !links.isCutOff(earlier)) return;
    links.abandon(earlier);
    await handoffs.query(earlier);
  };

  return {
    checkDeparture: (params) => handoffs.checkDeparture(params),
    checkArrival: ({ id, facts }) => handoffs.checkArrival(id, facts),
    sendProcess: async (params) => joining(await handoffs.send(params), params.link),
    receiveProcess: async (params) => {
      await makeRoom(params.id);
      return joining(await handoffs.receive(params), params.link);
    },
    serveMemory: ({ handoff }) => meetingAgain(handoffs.serveAgain(handoff)),
    fetchMissing: ({ handoff }) => meetingAgain(handoffs.fetchAgain(handoff)),
    meetPeer: async ({ handoff, peer, dial }) => ({
      connected: await links.meet(handoff, peer, dial),
    }),
    relayHandoff: ({ handoff }) => {
      const accept = links.relay(handoff);
      return Promise.resolve({ ticket: tickets.issue(accept) });
    },
    abandonLink: ({ handoff }) => {
      links.abandon(handoff);
      return Promise.resolve({});
    },
    awaitHandoff: ({ handoff }) => handoffs.outcome(handoff),
    cancelHandoff: ({ handoff }) => {
      const cancelled = handoffs.cancel(handoff);
      if (cancelled) links.cancelled(handoff);
      return Promise.resolve({ cancelled });
    },
    queryHandoff: async ({ handoff }) => ({ verdict: await handoffs.query(handoff) }),
    listDoubts: () => Promise.resolve({ doubts: [...handoffs.doubts()] }),
    settleHandoff: async ({ handoff, peerVerdict }) => ({
      runsHere: await handoffs.settle(handoff, peerVerdict),
    }),
    resolveDoubt: async ({ id, choice }) => ({ runsHere: await handoffs.resolve(id, choice) }),
  };
}
