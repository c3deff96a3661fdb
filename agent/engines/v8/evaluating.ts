import type { WebSocket } from 'ws';
import { talk } from '../../debug/injection.ts';
import type { InspectorAddress } from '../../debug/inspectorPort.ts';
import { CaptureFailed } from './unexpected.ts';

/** What an evaluation gave that took too long; it goes on in the program. */
export const tooLate = Symbol('too late');

interface Message {
  readonly id?: number;
  readonly result?: {
    readonly result?: { readonly value?: unknown };
    readonly exceptionDetails?: {
      readonly text?: string;
      readonly exception?: { readonly description?: string };
    };
  };
}

interface Waiting {
  readonly resolve: (value: string | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Has expressions evaluated in a program, over one connection to its inspector.
 * @param signal ends the connection
 * @throws whatever the work throws, and the signal's reason
 */
export async function evaluating<T>(
  inspector: InspectorAddress,
  signal: AbortSignal | undefined,
  work: (line: Line) => Promise<T>,
): Promise<T | undefined> {
  let outcome: { readonly value: T } | { readonly error: unknown } | undefined;
  await talk(inspector, (socket) => {
    const stop = (): void => socket.terminate();
    signal?.addEventListener('abort', stop, { once: true });
    socket.once('close', () => signal?.removeEventListener('abort', stop));
    work(new Line(socket))
      .then(
        (value) => (outcome = { value }),
        (error: unknown) => (outcome = { error }),
      )
      .finally(stop);
    if (signal?.aborted === true) stop();
  });
  signal?.throwIfAborted();
  if (outcome !== undefined && 'error' in outcome) throw outcome.error;
  return outcome?.value;
}

export class Line {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data: Buffer) =>
      this.#hear(JSON.parse(data.toString('utf8')) as Message),
    );
    socket.once('close', () => {
      for (const { resolve } of this.#waiting.values()) resolve(undefined);
      this.#waiting.clear();
    });
  }

  /**
   * @param limit how long the answer may take, in ms
   * @param awaitPromise waits for the promise that the expression gives, and for the end of what the program does
   * @returns the text that the expression comes to; undefined when the program ended before that
   */
  async evaluate(
    expression: string,
    limit: number | undefined,
    awaitPromise = true,
  ): Promise<string | typeof tooLate | undefined> {
    this.#last += 1;
    const id = this.#last;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<typeof tooLate>((resolve) => {
      if (limit !== undefined) timer = setTimeout(() => resolve(tooLate), limit);
    });
    const answer = new Promise<string | undefined>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
    });
    const params = { expression, awaitPromise, returnByValue: true, silent: true };
    this.#socket.send(JSON.stringify({ id, method: 'Runtime.evaluate', params }));
    return Promise.race([answer, late]).finally(() => clearTimeout(timer));
  }

  #hear({ id = 0, result: { result, exceptionDetails } = {} }: Message): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    const why = exceptionDetails?.exception?.description ?? exceptionDetails?.text;
    if (why !== undefined) waiting?.reject(new CaptureFailed(why));
    // A process that ends with its capsule takes the answer with it.
    else waiting?.resolve(typeof result?.value === 'string' ? result.value : undefined);
  }
}
