import * as vscode from 'vscode';
import { findAgentFile, shippedFile } from '../client/agentFile.ts';
import { Fleet } from '../client/fleet.ts';
import { flickHome } from '../client/flickHome.ts';
import { DisposableStore, type Disposable } from '../common/disposable.ts';
import { connectInBackground } from './commands/deviceCommands.ts';
import { registerCommands } from './commands/registration.ts';
import type { Services } from './commands/services.ts';
import { registerDebugType } from './debug/debugType.ts';
import { DebugUrls } from './debug/debugUrls.ts';
import { LogDocuments } from './documents/logDocuments.ts';
import { MadeDocuments } from './documents/madeDocuments.ts';
import { outputLogger } from './documents/outputLogger.ts';
import { Mover } from './moves/mover.ts';
import { MoveStatus } from './moves/moveStatus.ts';
import { Problems } from './problems.ts';
import { PersonPrompter } from './prompter.ts';
import { settings } from './settings.ts';
import { Terminals } from './terminal/terminals.ts';
import { registerAwayDecorations } from './views/awayDecorations.ts';
import { DevicesTree } from './views/devicesTree.ts';
import { DevicesView } from './views/devicesView.ts';
import { ProcessDragAndDrop } from './views/dragAndDrop.ts';
import { announceReboots } from './views/reboots.ts';

/** Makes every part of the extension and hands each what it needs. Disposing the result releases all of them. */
export function buildContainer(context: vscode.ExtensionContext): Disposable {
  const store = new DisposableStore();
  const bundlePath = context.asAbsolutePath('dist/extension.cjs');
  const output = store.add(vscode.window.createOutputChannel('Flick', { log: true }));
  const logger = outputLogger(output);
  const documents = store.add(new MadeDocuments());
  const logs = new LogDocuments(documents);
  const problems = new Problems(output, logs);
  const fleet = store.add(
    new Fleet({
      home: settings.home ?? flickHome(),
      agentFile: findAgentFile(bundlePath),
      prompter: new PersonPrompter(context.secrets),
      logger,
    }),
  );
  fleet.watchConfiguration();
  const status = store.add(new MoveStatus());
  const terminals = store.add(new Terminals(fleet));
  const debugUrls = store.add(new DebugUrls(fleet));
  store.add(registerDebugType({ fleet, terminals, logger }));
  const tree = store.add(new DevicesTree(fleet));
  const mover: Mover = new Mover({
    fleet,
    problems,
    documents,
    status,
    arrived: async (move) => view.revealArrival(move.to, move.processId),
  });
  store.add(registerAwayDecorations());
  store.add(announceReboots(fleet));
  const view: DevicesView = store.add(new DevicesView(fleet, tree, new ProcessDragAndDrop(mover)));
  const services: Services = {
    fleet,
    bundle: shippedFile(bundlePath, 'criu-bundle-x64.tar.gz', 'FLICK_CRIU_BUNDLE'),
    output,
    problems,
    documents,
    logs,
    mover,
    terminals,
    debugUrls,
    tree,
  };
  store.add(registerCommands(services));
  if (settings.connectOnStartup) {
    for (const device of fleet.devices) connectInBackground(services, device, { quiet: true });
  }
  return store;
}
