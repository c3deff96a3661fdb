import { PassThrough } from 'node:stream';
import { inspect } from 'node:util';
import { DebugClient } from '@vscode/debugadapter-testsupport';
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { DebugHost } from '../../../common/debuggee.ts';
import { FlickDebugSession } from '../../../debug-adapter/session/flickDebugSession.ts';
import { DisposableStore } from '../../../common/disposable.ts';

/** Longest wait for anything, in ms: what comes later does not come. */
const patience = 45_000;

type Body = Record<string, unknown>;

/**
 * An editor that talks to a real session over DAP's own byte stream and writes the conversation down for people to read:
 * numbers and paths that differ from run to run are replaced, events appear where they were waited for.
 */
export class Conversation {
  readonly session: FlickDebugSession;
  /** What the session reads: for bytes that no editor would send. */
  readonly input = new PassThrough();
  readonly #client: Wire;
  readonly #store = new DisposableStore();
  readonly #events: DebugProtocol.Event[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #lines: string[] = [];
  readonly #replace: [RegExp, string][] = [];
  #seq = 0;

  constructor(host: DebugHost) {
    this.session = new FlickDebugSession({ host });
    const output = new PassThrough();
    this.session.start(this.input, output);
    this.#client = new Wire();
    this.#client.use(output, this.input);
    this.#client.onEvent = (event) => {
      this.#events.push(event);
      for (const wake of [...this.#waiting]) wake();
    };
  }

  /** Text that is replaced in what is written down. */
  hide(text: string | RegExp, by: string): void {
    const pattern =
      typeof text === 'string'
        ? new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'g')
        : text;
    this.#replace.push([pattern, by]);
  }

  /** Sends a request and writes it and its answer down. @throws when it fails */
  async ask<T = Body>(command: string, args: object = {}): Promise<T> {
    this.#write('→', command, args);
    try {
      const { body } = await this.send(command, args);
      this.#write('←', command, body ?? {});
      return (body ?? {}) as T;
    } catch (error) {
      this.#lines.push(`✗ ${command}: ${this.#hidden((error as Error).message)}`);
      throw error;
    }
  }

  /** Sends a request that fails and writes both down. @returns what was said */
  async askInVain(command: string, args: object = {}): Promise<string> {
    const answer = await this.ask(command, args).then(
      () => undefined,
      (error: unknown) => (error as Error).message,
    );
    if (answer === undefined) throw new Error(`${command} was expected to fail.`);
    return answer;
  }

  /** Sends a request without a word in the transcript. */
  async send(command: string, args: object = {}): Promise<DebugProtocol.Response> {
    return await within(`the answer to ${command}`, this.#client.send(command, args));
  }

  /** Number of the request that is sent next. */
  get nextSeq(): number {
    return this.#client.nextSeq;
  }

  /** Waits for an event and writes it down; one that has come already counts. */
  async event<T = Body>(name: string, matches: (body: T) => boolean = () => true): Promise<T> {
    const isIt = (each: DebugProtocol.Event): boolean =>
      each.event === name && matches((each.body ?? {}) as T);
    const found = await within(
      `the event ${name} after\n${this.#lines.slice(-12).join('\n')}\n`,
      new Promise<DebugProtocol.Event>((resolve) => {
        const look = (): void => {
          const index = this.#events.findIndex(isIt);
          const [event] = index < 0 ? [] : this.#events.splice(index, 1);
          if (event === undefined) return;
          this.#waiting.delete(look);
          resolve(event);
        };
        this.#waiting.add(look);
        look();
      }),
    );
    this.#write('!', name, (found.body ?? {}) as Body);
    return (found.body ?? {}) as T;
  }

  /** The text of the next line in the console that matches. */
  async output(pattern: RegExp): Promise<DebugProtocol.OutputEvent['body']> {
    return await this.event<DebugProtocol.OutputEvent['body']>('output', ({ output }) =>
      pattern.test(output),
    );
  }

  /** Events that have come and were not waited for. */
  unexpected(...names: readonly string[]): readonly DebugProtocol.Event[] {
    return this.#events.filter(({ event }) => names.includes(event));
  }

  /** A heading in the transcript. */
  note(text: string): void {
    this.#lines.push('', `# ${text}`);
  }

  get transcript(): string {
    return `${this.#lines.join('\n').trim()}\n`;
  }

  dispose(): void {
    this.#store.dispose();
    this.session.dispose();
  }

  /** Introduces itself, attaches and lets the program run, as editors do; nothing of it is written down. */
  async begin(configuration: Body, prepare?: () => Promise<unknown>): Promise<void> {
    await this.send('initialize', abilities);
    const begun = this.send('program' in configuration ? 'launch' : 'attach', configuration);
    await begun;
    await this.#quietly(() => this.event('initialized'));
    await this.#quietly(async () => prepare?.());
    await this.send('configurationDone');
  }

  /** The top frame of a thread. */
  async top(threadId = 1): Promise<DebugProtocol.StackFrame> {
    const { body } = await this.send('stackTrace', { threadId, startFrame: 0, levels: 1 });
    const [frame] = (body as DebugProtocol.StackTraceResponse['body']).stackFrames;
    if (frame === undefined) throw new Error('The stack is empty.');
    return frame;
  }

  async #quietly(work: () => Promise<unknown>): Promise<void> {
    const length = this.#lines.length;
    await work();
    this.#lines.length = length;
  }

  #write(arrow: string, what: string, body: object): void {
    this.#seq += 1;
    const text = describe(what, body as Body);
    this.#lines.push(this.#hidden(`${arrow} ${what}${text === '' ? '' : ` ${text}`}`));
  }

  #hidden(text: string): string {
    return this.#replace.reduce((before, [pattern, by]) => before.replace(pattern, by), text);
  }
}

/** What a full-grown editor says of itself. */
export const abilities = {
  adapterID: 'flick',
  clientID: 'test',
  linesStartAt1: true,
  columnsStartAt1: true,
  pathFormat: 'path',
  supportsVariableType: true,
  supportsVariablePaging: true,
  supportsInvalidatedEvent: true,
  supportsMemoryReferences: true,
  supportsMemoryEvent: true,
  supportsProgressReporting: true,
} as const;

class Wire extends DebugClient {
  onEvent: (event: DebugProtocol.Event) => void = () => undefined;
  nextSeq = 1;

  constructor() {
    super('node', '', 'flick');
  }

  use(readable: PassThrough, writable: PassThrough): void {
    this.connect(readable, writable);
  }

  override emit(name: string | symbol, ...args: unknown[]): boolean {
    const [event] = args as [DebugProtocol.Event | undefined];
    if (event?.type === 'event') this.onEvent(event);
    return super.emit(name, ...args);
  }

  override send(command: string, args?: object): Promise<never> {
    this.nextSeq += 1;
    return super.send(command, args) as Promise<never>;
  }
}

function describe(what: string, body: Body): string {
  if (what === 'stackTrace' && Array.isArray(body['stackFrames'])) {
    const frames = (body['stackFrames'] as DebugProtocol.StackFrame[]).map(describeFrame);
    return frames
      .filter((each, index) => each !== '  …' || frames[index - 1] !== '  …')
      .reduce((text, each) => `${text}\n${each}`, '');
  }
  if (what === 'variables' && Array.isArray(body['variables'])) {
    return (body['variables'] as DebugProtocol.Variable[]).reduce(
      (text, { name, value, variablesReference }) =>
        `${text}\n    ${name} = ${value}${variablesReference > 0 ? ' ▸' : ''}`,
      '',
    );
  }
  const plain = simplify(body);
  if (Object.keys(plain as object).length === 0) return '';
  return inspect(plain, { depth: 8, breakLength: 100, compact: 4, sorted: true });
}

function describeFrame(frame: DebugProtocol.StackFrame): string {
  const { name, source, line, column, presentationHint } = frame;
  if (presentationHint === 'label') return `  — ${name} —`;
  if (presentationHint === 'subtle') return '  …';
  return `    ${name}  ${source?.path ?? source?.name ?? ''}:${line}:${column}`;
}

/** Drops what tells a reader nothing, and hides numbers that mean nothing outside the session. */
function simplify(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(simplify);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([key]) => key !== 'adapterData');
  return Object.fromEntries(
    entries.map(([key, each]) => {
      if (key === 'source') return [key, (each as DebugProtocol.Source).path ?? simplify(each)];
      if (hidden.has(key) && typeof each === 'number') return [key, each === 0 ? 0 : '#'];
      return [key, simplify(each)];
    }),
  );
}

const hidden = new Set([
  'variablesReference',
  'frameId',
  'systemProcessId',
  'sourceReference',
  'progressId',
]);

async function within<T>(what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Waited in vain for ${what}.`)), patience);
  });
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
