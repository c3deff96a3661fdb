import type { Handler } from '../../common/rpc.ts';
import type { AgentRequests } from '../../protocol/index.ts';
import type { Services } from './services.ts';

type CapsuleRequests = Pick<
  AgentRequests,
  'saveCapsule' | 'listCapsules' | 'showCapsule' | 'restoreCapsule' | 'removeCapsule'
>;

export function capsuleHandlers({ capsules }: Services): {
  readonly [K in keyof CapsuleRequests]: Handler<CapsuleRequests[K]>;
} {
  return {
    saveCapsule: (params, signal) => capsules.save(params, signal),
    listCapsules: () => capsules.list(),
    showCapsule: ({ capsule }) => capsules.show(capsule),
    restoreCapsule: (params, signal) => capsules.restore(params, signal),
    removeCapsule: async ({ capsule }) => {
      await capsules.remove(capsule);
      return {};
    },
  };
}
