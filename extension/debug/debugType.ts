import * as vscode from 'vscode';
import { FleetDebugHost } from '../../client/debugHost.ts';
import type { Fleet } from '../../client/fleet.ts';
import { DisposableStore, type Disposable } from '../../common/disposable.ts';
import type { Logger } from '../../common/logger.ts';
import type { DebugHost } from '../../common/debuggee.ts';
import { FlickDebugSession } from '../../debug-adapter/session/flickDebugSession.ts';
import { processTargets } from '../commands/targets.ts';
import { debugType, pickProcessCommand } from '../ids.ts';
import { l10n } from '../l10n.ts';
import { isAlive } from '../model/processRow.ts';
import type { Terminals } from '../terminal/terminals.ts';
import { ConfigurationProvider } from './configurations.ts';

export interface DebugTypeOptions {
  readonly fleet: Fleet;
  readonly terminals: Terminals;
  readonly logger: Logger;
}

/** Makes VS Code debug with our adapter, which runs inside the extension: it shares the connections to the devices. */
export function registerDebugType({ fleet, terminals, logger }: DebugTypeOptions): Disposable {
  const store = new DisposableStore();
  const host = withTerminals(new FleetDebugHost(fleet), fleet, terminals);
  const provider = new ConfigurationProvider();
  store.add(vscode.debug.registerDebugConfigurationProvider(debugType, provider));
  store.add(
    vscode.debug.registerDebugConfigurationProvider(
      debugType,
      { provideDebugConfigurations: (folder) => provider.provideDebugConfigurations(folder) },
      vscode.DebugConfigurationProviderTriggerKind.Dynamic,
    ),
  );
  store.add(
    vscode.debug.registerDebugAdapterDescriptorFactory(debugType, {
      createDebugAdapterDescriptor: () =>
        new vscode.DebugAdapterInlineImplementation(new FlickDebugSession({ host, logger })),
    }),
  );
  store.add(
    vscode.commands.registerCommand(pickProcessCommand, async () => {
      const [target] = await processTargets(fleet, [], l10n.t('Debug Process'), isAlive);
      return target?.info.id;
    }),
  );
  return store;
}

/** A program that is launched to be debugged shows its terminal, as one that is run does. */
function withTerminals(host: DebugHost, fleet: Fleet, terminals: Terminals): DebugHost {
  return {
    find: (nameOrId, device) => host.find(nameOrId, device),
    link: (id, innerPid) => host.link(id, innerPid),
    signal: (id, signal) => host.signal(id, signal),
    launch: async (request) => {
      const launched = await host.launch(request);
      const found = await fleet.findProcess(launched.id);
      terminals.show(found.device, found.process, { preserveFocus: true });
      return launched;
    },
  };
}
