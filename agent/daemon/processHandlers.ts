import type { Handler } from '../../common/rpc.ts';
import type { AgentRequests } from '../../protocol/index.ts';
import { forgetMemory } from '../memory/memoryFolders.ts';
import { listCandidates as readCandidates } from '../processes/candidates.ts';
import type { ClientWatch } from './handlers.ts';
import type { Services } from './services.ts';

type ProcessRequests = Pick<
  AgentRequests,
  | 'listProcesses'
  | 'listCandidates'
  | 'watchProcesses'
  | 'unwatchProcesses'
  | 'launchProcess'
  | 'adoptProcess'
  | 'signalProcess'
  | 'waitProcess'
  | 'forgetProcess'
  | 'renameProcess'
  | 'openTerminal'
  | 'resizeTerminal'
>;

export function processHandlers(
  services: Services,
  watch: ClientWatch,
): { readonly [K in keyof ProcessRequests]: Handler<ProcessRequests[K]> } {
  const { home, processes, tickets } = services;
  return {
    listProcesses: async () => {
      await processes.refresh();
      return { processes: processes.list().map((each) => each.info()) };
    },
    listCandidates: async () => ({
      candidates: await readCandidates({ excluded: processes.pids() }),
    }),
    watchProcesses: async ({ metrics }) => {
      watch.start(metrics);
      await processes.refresh();
      return { processes: processes.list().map((each) => each.info()) };
    },
    unwatchProcesses: () => {
      watch.dispose();
      return Promise.resolve({});
    },
    launchProcess: async (params) => ({ process: (await processes.launch(params)).info() }),
    adoptProcess: async (params) => ({ process: (await processes.adopt(params)).info() }),
    signalProcess: async ({ id, signal }) => {
      await processes.get(id).signal(signal);
      return {};
    },
    waitProcess: async ({ id }, signal) => processes.get(id).wait(signal),
    forgetProcess: async ({ id }) => {
      await processes.forget(id);
      await forgetMemory(home, id);
      return {};
    },
    renameProcess: async ({ id, name }) => {
      await processes.get(id).rename(name);
      return {};
    },
    openTerminal: async (params) => {
      const viewer = await processes.get(params.id).openTerminal(params);
      const ticket = tickets.issue(
        (stream) => viewer.attach(stream),
        () => viewer.dispose(),
      );
      return { ticket, offset: viewer.offset };
    },
    resizeTerminal: async ({ id, size }) => {
      await processes.get(id).resize(size);
      return {};
    },
  };
}
