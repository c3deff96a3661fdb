import type { Duplex } from 'node:stream';
import * as v from 'valibot';
import {
  maxRuntimeMessage,
  runtimeVersion,
  runtimeWelcome,
  type RuntimeHello,
  type RuntimeMode,
  type RuntimeWelcome,
} from '../protocol/index.ts';
import type { Disposable } from './disposable.ts';
import { Emitter, type Event } from './event.ts';
import { readLine, readLines, writeLine } from './lines.ts';
import { ResumableChannel } from './resumableChannel.ts';

export interface RuntimeChannelOptions {
  readonly mode: RuntimeMode;
  /** How long the process stays as it is after its debugger has vanished without a word, in ms. */
  readonly graceMs: number;
  /** Takes each message of the runtime, once and in order. */
  readonly deliver: (message: unknown) => void;
}

/** A debugger's end of its session with the runtime in a process, over one stream after the other. */
export class RuntimeChannel implements Disposable {
  readonly #options: RuntimeChannelOptions;
  readonly #channel: ResumableChannel;
  readonly #welcomed = new Emitter<RuntimeWelcome>();
  readonly #restarted = new Emitter<RuntimeWelcome>();
  readonly #refused = new Emitter<string>();
  #token: string | null = null;
  #stream: Duplex | undefined;

  /** A stream works: for the first time, or again after a move or a broken link. */
  readonly onDidConnect: Event<RuntimeWelcome> = this.#welcomed.event;
  /**
   * The session had ended meanwhile (its grace was over) and this is a new one: nothing that was set or known holds any
   * more, and what waited to be sent is forgotten. Fires before `onDidConnect`.
   */
  readonly onDidRestart: Event<RuntimeWelcome> = this.#restarted.event;
  /** The runtime would not talk to us, with its reason. */
  readonly onDidRefuse: Event<string> = this.#refused.event;

  constructor(options: RuntimeChannelOptions) {
    this.#options = options;
    this.#channel = new ResumableChannel(options.deliver);
  }

  get isConnected(): boolean {
    return this.#channel.isLinked;
  }

  send(message: unknown): void {
    this.#channel.send(message);
  }

  /** Goes on over a stream whose other end is the runtime. One that breaks is destroyed; its owner brings the next. */
  async open(stream: Duplex): Promise<void> {
    this.#stream = stream;
    stream.on('error', () => undefined);
    try {
      const hello: RuntimeHello = {
        flick: 'debug',
        version: runtimeVersion,
        mode: this.#options.mode,
        token: this.#token,
        received: this.#channel.received,
        graceMs: this.#options.graceMs,
      };
      writeLine(stream, hello);
      const welcome = v.parse(runtimeWelcome, JSON.parse(await readLine(stream)));
      if (!welcome.ok) {
        this.#refused.fire(welcome.why);
        stream.destroy();
        return;
      }
      const hasRestarted = this.#token !== null && !welcome.resumed;
      this.#token = welcome.token;
      if (hasRestarted) {
        this.#channel.reset();
        this.#restarted.fire(welcome);
      }
      stream.once('close', () => {
        if (this.#stream === stream) this.#channel.unlink();
      });
      stream.once('end', () => stream.destroy());
      this.#channel.link(welcome.received, (line) => stream.write(line));
      readLines(stream, {
        limit: maxRuntimeMessage,
        onLine: (line) => this.#channel.receive(line),
      });
      this.#welcomed.fire(welcome);
    } catch {
      stream.destroy();
    }
  }

  dispose(): void {
    this.#channel.unlink();
    this.#stream?.destroy();
    this.#welcomed.dispose();
    this.#restarted.dispose();
    this.#refused.dispose();
  }
}
