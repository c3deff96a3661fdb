import type { Duplex, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Client, ClientChannel } from 'ssh2';
import { readLine } from '../../../common/lines.ts';
import { messageOf } from '../../../common/rpc.ts';
import type { ExecOptions, ExecResult } from '../transport.ts';
import { TransportError } from '../transportError.ts';
import { outputMark, remoteCommand } from './remoteCommand.ts';

/** Longest output of a command that is kept, in characters. */
const maxOutput = 4 << 20;
/** How much rc files may print before a command, in characters. */
const maxNoise = 1 << 16;
/** How many lines rc files may print before a stream begins. */
const maxNoiseLines = 1_000;
const mark = new RegExp(`${outputMark} (\\d+)\\n`);
const endsWithMark = new RegExp(`${outputMark} \\d+$`);

/**
 * Runs a shell script on the device and collects what it prints.
 * @throws {TransportError} `noShell` when the device ran something else instead, `closed` when the connection went away
 */
export async function runScript(
  client: Client,
  script: string,
  words: readonly string[],
  options: ExecOptions & { readonly onOutput?: (printed: string) => void } = {},
): Promise<ExecResult> {
  const { input, signal, onOutput } = options;
  if (signal?.aborted === true) return { exitCode: null, stdout: '', stderr: '' };
  const running = await openCommand(
    client,
    remoteCommand(script, words),
    (channel) => new RunningScript(channel, onOutput),
  );
  const abort = (): void => {
    // Closing the channel would not end it, and a server need not understand signals.
    void running.pid
      .then((pid) => openCommand(client, `kill -TERM ${pid}`, discard))
      .catch(() => undefined);
    running.abandon();
  };
  signal?.addEventListener('abort', abort, { once: true });
  if (signal?.aborted) abort();
  try {
    return await running.finish(input);
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

/**
 * Runs a shell script whose standard input and output are the returned stream.
 * @throws {TransportError} as {@link runScript}
 */
export async function openScriptStream(
  client: Client,
  script: string,
  words: readonly string[],
): Promise<Duplex> {
  const errors = new Marked();
  const channel = await openCommand(client, remoteCommand(script, words), (opened) => {
    opened.stderr.setEncoding('utf8').on('data', (chunk: string) => errors.add(chunk));
    return opened;
  });
  try {
    for (let lines = 0; lines < maxNoiseLines; lines += 1) {
      // A greeting without an end of line stands before the mark in the same line.
      if (endsWithMark.test(await readLine(channel))) return channel;
    }
    throw new Error('it printed too much');
  } catch (error) {
    channel.destroy();
    throw noShell(errors.text, messageOf(error));
  }
}

/**
 * Connects to a unix socket of the device (PROTOCOL of OpenSSH, section 2.4).
 * @throws {Error} whatever the reason: OpenSSH reports a forbidden forwarding and an absent socket alike
 */
export async function forwardSocket(client: Client, path: string): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    client.openssh_forwardOutStreamLocal(path, (error, channel) => {
      if (error === undefined || error === null) resolve(quiet(channel));
      else reject(error);
    });
  });
}

/** @param listen attaches its listeners at once: a short command's end may come in the same packet as its begin */
async function openCommand<T>(
  client: Client,
  command: string,
  listen: (channel: ClientChannel) => T,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const failed = (error: unknown): void =>
      reject(
        new TransportError('closed', `No command could be run there: ${messageOf(error)}.`, {
          cause: error,
        }),
      );
    try {
      client.exec(command, (error, channel) => {
        if (error === undefined || error === null) resolve(listen(quiet(channel)));
        else failed(error);
      });
    } catch (error) {
      failed(error);
    }
  });
}

/** Failures reach whoever reads or writes; without a listener Node would end the program. */
function quiet<T extends Duplex>(channel: T): T {
  channel.on('error', () => undefined);
  return channel;
}

/** A channel closes only when all that it brought was read. */
function discard(channel: ClientChannel): void {
  channel.resume();
  channel.stderr.resume();
}

/** What follows the mark. */
class Marked {
  #received = '';
  #pid: number | undefined;

  add(chunk: string): void {
    this.#received += chunk;
    if (this.#pid !== undefined) {
      this.#received = this.#received.slice(-maxOutput);
      return;
    }
    const found = mark.exec(this.#received);
    if (found === null) {
      this.#received = this.#received.slice(-maxNoise);
      return;
    }
    this.#pid = Number(found[1]);
    this.#received = this.#received.slice(found.index + found[0].length);
  }

  /** Undefined while there is no mark. */
  get pid(): number | undefined {
    return this.#pid;
  }

  /** What follows the mark; what there is while there is none. */
  get text(): string {
    return this.#received;
  }
}

/** A command and what it has printed so far. */
class RunningScript {
  readonly #channel: ClientChannel;
  readonly #stdout = new Marked();
  readonly #stderr = new Marked();
  readonly #closed: Promise<void>;
  #close: () => void = () => undefined;
  #exit: { readonly code: number | null } | undefined;
  #isAbandoned = false;
  /** Of the shell, and of the program that it becomes. Never settles where the mark does not come. */
  readonly pid: Promise<number>;

  /** @param onOutput hears all that it has printed so far */
  constructor(channel: ClientChannel, onOutput: (printed: string) => void = () => undefined) {
    this.#channel = channel;
    this.#closed = new Promise((resolve) => (this.#close = resolve));
    channel.once('close', this.#close);
    channel.once('exit', (code: number | null) => (this.#exit = { code }));
    channel.stderr.setEncoding('utf8').on('data', (chunk: string) => this.#stderr.add(chunk));
    this.pid = new Promise((resolve) => {
      channel.setEncoding('utf8').on('data', (chunk: string) => {
        this.#stdout.add(chunk);
        if (this.#stdout.pid === undefined) return;
        resolve(this.#stdout.pid);
        onOutput(this.#stdout.text);
      });
    });
  }

  /** Nobody waits for its end any more. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#close();
  }

  async finish(input: Buffer | Readable | undefined): Promise<ExecResult> {
    await send(this.#channel, input, this.#closed);
    await this.#closed;
    const stdout = this.#stdout.text;
    const stderr = this.#stderr.pid === undefined ? '' : this.#stderr.text;
    if (this.#isAbandoned) return { exitCode: null, stdout, stderr };
    if (this.#exit === undefined) {
      throw new TransportError('closed', 'The connection was lost while a command ran there.');
    }
    if (this.#stdout.pid === undefined) throw noShell(this.#stderr.text, stdout);
    return { exitCode: this.#exit.code, stdout, stderr };
  }
}

/** @throws what reading `input` threw; a program that does not read to the end is no error */
async function send(
  channel: ClientChannel,
  input: Buffer | Readable | undefined,
  closed: Promise<void>,
): Promise<void> {
  if (input === undefined || Buffer.isBuffer(input)) {
    channel.end(input);
    return;
  }
  let problem: unknown;
  input.once('error', (error) => (problem = error));
  await Promise.race([pipeline(input, channel, { end: true }).catch(() => undefined), closed]);
  if (problem === undefined) return;
  channel.close();
  throw problem;
}

function noShell(...said: readonly string[]): TransportError {
  const words = said.map((text) => text.trim().split('\n').at(-1) ?? '').find((line) => line);
  return new TransportError(
    'noShell',
    `The device ran no command for Flick: ${words ?? 'it answered nothing'}.`,
    { remedy: 'Check that ssh runs commands there, such as: ssh DEVICE uname.' },
  );
}
