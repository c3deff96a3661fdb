import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { DisposableStore, type Disposable } from '../../common/disposable.ts';
import type { KeeperClient } from '../keeper/keeperClient.ts';
import { KeeperError } from '../keeper/keeperError.ts';
import { Cell } from './cell.ts';
import { cellFolder } from './cells.ts';
import type { ManagedProcess } from './managedProcess.ts';

/** How long a keeper that answers no more may take to leave, in ms. */
const endPatience = 2_000;

/** One viewer of a process's terminal: what the process writes from an offset on, and what is typed. */
export class TerminalViewer implements Disposable {
  /** Where in everything the process ever wrote the stream begins. */
  readonly offset: number;
  readonly #store = new DisposableStore();
  readonly #client: KeeperClient | undefined;
  readonly #kept: Buffer;
  readonly #until: number | undefined;
  readonly #managed: ManagedProcess;

  private constructor(
    managed: ManagedProcess,
    offset: number,
    client: KeeperClient | undefined,
    kept: Buffer,
    until: number | undefined,
  ) {
    this.#managed = managed;
    this.offset = offset;
    this.#client = client;
    this.#kept = kept;
    this.#until = until;
    if (client !== undefined) this.#store.add(client);
    // Viewers follow it to where it runs.
    this.#store.add(managed.onDidLeave(() => this.dispose()));
  }

  static async open(
    managed: ManagedProcess,
    fromOffset: number,
    follow: boolean,
  ): Promise<TerminalViewer> {
    const { cell } = managed;
    if (managed.isLive && cell !== undefined) {
      try {
        const client = await cell.viewer();
        const { scrollback } = await client.state();
        const offset = Math.min(Math.max(fromOffset, scrollback.start), scrollback.end);
        const until = follow ? undefined : scrollback.end;
        return new TerminalViewer(managed, offset, client, Buffer.alloc(0), until);
      } catch (error) {
        // It ends at this moment: what it wrote is kept then.
        if (!(error instanceof KeeperError)) throw error;
        await Promise.race([cell.ended, delay(endPatience, undefined, { ref: false })]);
      }
    }
    const number = managed.record.cell?.number;
    const kept =
      number === undefined ? undefined : await Cell.keptOutput(cellFolder(managed.folders, number));
    const base = kept?.base ?? 0;
    const bytes = kept?.bytes ?? Buffer.alloc(0);
    const skip = Math.min(Math.max(0, fromOffset - base), bytes.length);
    return new TerminalViewer(managed, base + skip, undefined, bytes.subarray(skip), undefined);
  }

  /** Joins the viewer's stream to the terminal; either end may end it. */
  attach(stream: Duplex): void {
    this.#store.add({ dispose: () => stream.end() });
    stream.on('close', () => this.dispose());
    stream.on('error', () => this.dispose());
    const client = this.#client;
    if (client === undefined) {
      stream.end(this.#kept);
      return;
    }
    client.onClosed(() => this.dispose());
    this.#pumpOutput(stream, client);
    void this.#pumpInput(stream);
  }

  dispose(): void {
    this.#store.dispose();
  }

  #pumpOutput(stream: Duplex, client: KeeperClient): void {
    let next = this.offset;
    let flowing = true;
    const subscribe = (): void => {
      client.subscribe(next).catch(() => this.dispose());
    };
    client.onOutput(({ offset, data }) => {
      if (!flowing) return;
      next = offset + data.length;
      const more = stream.write(data);
      if (this.#until !== undefined && next >= this.#until) this.dispose();
      if (more) return;
      // The keeper goes on for everybody else; this viewer asks for the rest once it has taken what it has.
      flowing = false;
      client.unsubscribe().catch(() => undefined);
      stream.once('drain', () => {
        flowing = true;
        subscribe();
      });
    });
    if (this.#until !== undefined && next >= this.#until) this.dispose();
    else subscribe();
  }

  async #pumpInput(stream: Duplex): Promise<void> {
    try {
      for await (const chunk of stream) {
        if (!Buffer.isBuffer(chunk)) continue;
        await this.#managed.type(chunk);
      }
    } catch {
      // The stream or the keeper is gone, which ends the viewer through their own events.
    }
  }
}
