import { Session } from 'node:inspector';

export interface InspectorMessage {
  readonly method: string;
  readonly params?: unknown;
}

/** What the inspector answered instead of a result. */
export class InspectorRefusal extends Error {
  readonly code: number | undefined;

  constructor(message: string, code: number | undefined) {
    super(message);
    this.code = code;
  }
}

/** The inspector of one thread, as one session sees it. */
export interface InspectorTarget {
  readonly thread: number;
  /** Rejects with {@link InspectorRefusal}. */
  post(method: string, params?: object): Promise<unknown>;
}

/** The main thread's inspector, and through it those of the program's other threads. */
export class MainInspector implements InspectorTarget {
  readonly thread = 0;
  readonly #session = new Session();

  constructor(onMessage: (message: InspectorMessage) => void) {
    this.#session.on('inspectorNotification', (message) => onMessage(message as InspectorMessage));
    this.#session.connectToMainThread();
  }

  post(method: string, params: object = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#session.post(method, params, (error, result?: object) => {
        if (error === null) resolve(result ?? {});
        else reject(refusalOf(error));
      });
    });
  }

  /** Ends the session: its breakpoints go, and if it was the one that held the main thread, that runs on. */
  close(): void {
    this.#session.disconnect();
  }
}

/** Node wraps the inspector's code and text into one sentence of its own. */
function refusalOf(error: Error): InspectorRefusal {
  const match = /^Inspector error (-?\d+): ([\s\S]*)$/.exec(error.message);
  if (match !== null) return new InspectorRefusal(match[2] ?? '', Number(match[1]));
  const { code, message } = error as Error & { code?: unknown };
  return new InspectorRefusal(message, typeof code === 'number' ? code : undefined);
}

/** The inspector of a worker thread of the program, reached through the main thread's NodeWorker domain. */
export class WorkerInspector implements InspectorTarget {
  readonly thread: number;
  readonly #main: InspectorTarget;
  readonly #sessionId: string;
  readonly #onMessage: (message: InspectorMessage) => void;
  readonly #pending = new Map<
    number,
    { resolve: (result: unknown) => void; reject: (error: unknown) => void }
  >();
  #lastId = 0;

  constructor(
    main: InspectorTarget,
    sessionId: string,
    onMessage: (message: InspectorMessage) => void,
  ) {
    this.thread = Number(sessionId);
    this.#main = main;
    this.#sessionId = sessionId;
    this.#onMessage = onMessage;
  }

  post(method: string, params: object = {}): Promise<unknown> {
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      const message = JSON.stringify({ id, method, params });
      this.#main
        .post('NodeWorker.sendMessageToWorker', { sessionId: this.#sessionId, message })
        .catch((error: unknown) => {
          this.#pending.delete(id);
          reject(error);
        });
    });
  }

  /** Takes a message of `NodeWorker.receivedMessageFromWorker`. */
  receive(text: string): void {
    const message = JSON.parse(text) as {
      id?: number;
      method?: string;
      params?: unknown;
      result?: unknown;
      error?: { code: number; message: string };
    };
    if (message.id === undefined) {
      if (message.method !== undefined)
        this.#onMessage({ method: message.method, params: message.params });
      return;
    }
    const pending = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    if (message.error === undefined) pending?.resolve(message.result ?? {});
    else pending?.reject(new InspectorRefusal(message.error.message, message.error.code));
  }

  end(): void {
    for (const each of this.#pending.values()) {
      each.reject(new InspectorRefusal('The thread has ended.', undefined));
    }
    this.#pending.clear();
  }
}
