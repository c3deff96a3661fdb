import * as vscode from 'vscode';
import type { Device } from '../../client/device.ts';
import type { Fleet } from '../../client/fleet.ts';
import { TerminalSession } from '../../client/terminalSession.ts';
import type { Disposable } from '../../common/disposable.ts';
import { openTerminal, type ProcessInfo } from '../../protocol/index.ts';
import { plainText } from '../model/terminalText.ts';
import { ProcessTerminal } from './processTerminal.ts';

/** Opens terminals on processes, one tab for each however often it is asked for. */
export class Terminals implements Disposable {
  readonly #fleet: Fleet;
  readonly #tabs = new Map<string, vscode.Terminal>();
  readonly #closing: vscode.Disposable;

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
    this.#closing = vscode.window.onDidCloseTerminal((closed) => {
      for (const [id, tab] of this.#tabs) if (tab === closed) this.#tabs.delete(id);
    });
  }

  show(
    device: Device,
    { id, name }: ProcessInfo,
    options: { readonly preserveFocus?: boolean } = {},
  ): void {
    const known = this.#tabs.get(id);
    if (known !== undefined) {
      known.show(options.preserveFocus);
      return;
    }
    const session = new TerminalSession(this.#fleet, device, id);
    const tab = vscode.window.createTerminal({
      name,
      pty: new ProcessTerminal(session, name),
      iconPath: new vscode.ThemeIcon('arrow-swap'),
    });
    this.#tabs.set(id, tab);
    tab.show(options.preserveFocus);
  }

  /** All that the process has written and the device has kept. */
  async readAll(device: Device, { id }: ProcessInfo): Promise<string> {
    const { ticket } = await device.request(openTerminal, { id, follow: false });
    const stream = await device.openStream(ticket);
    const chunks: Buffer[] = [];
    for await (const chunk of stream) if (Buffer.isBuffer(chunk)) chunks.push(chunk);
    return plainText(Buffer.concat(chunks).toString('utf8'));
  }

  /** Tabs close with the window or the extension; the processes behind them go on. */
  dispose(): void {
    this.#closing.dispose();
    for (const tab of this.#tabs.values()) tab.dispose();
    this.#tabs.clear();
  }
}
