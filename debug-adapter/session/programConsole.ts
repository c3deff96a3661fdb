import type { DebugProtocol } from '@vscode/debugprotocol';
import type { FlickEvents } from '../../protocol/index.ts';
import { DisposableStore, type Disposable } from '../../common/disposable.ts';
import type { CdpThread, Protocol } from '../cdp.ts';
import type { Sources } from '../sources/sources.ts';
import type { VariableStore } from '../variables/variableStore.ts';
import { formatMessage } from './consoleFormat.ts';
import type { Editor } from './editor.ts';

export interface ProgramConsoleOptions {
  readonly editor: Editor;
  readonly sources: Sources;
  readonly store: VariableStore;
  /** False leaves what the program prints to its terminal. */
  readonly showsCalls: boolean;
}

type Output = DebugProtocol.OutputEvent['body'];
type ConsoleCall = Protocol.Runtime.ConsoleAPICalledEvent;

const groupOf: Partial<Record<ConsoleCall['type'], NonNullable<Output['group']>>> = {
  startGroup: 'start',
  startGroupCollapsed: 'startCollapsed',
  endGroup: 'end',
};

/** What the program prints through `console`, its log points and uncaught exceptions, in the order in which they happen. */
export class ProgramConsole implements Disposable {
  readonly #options: ProgramConsoleOptions;
  readonly #store = new DisposableStore();
  /** Each line waits for the one before: where it was printed may have to be looked up. */
  #last: Promise<void> = Promise.resolve();

  constructor(options: ProgramConsoleOptions) {
    this.#options = options;
  }

  attach(thread: CdpThread): void {
    this.#store.add(
      thread.on('Runtime.consoleAPICalled')((call) => {
        if (this.#options.showsCalls) this.#enqueue(() => this.#call(thread, call));
      }),
    );
    this.#store.add(
      thread.on('Runtime.exceptionThrown')(({ exceptionDetails }) =>
        this.#enqueue(() => this.#thrown(thread, exceptionDetails)),
      ),
    );
    this.#store.add(
      thread.on('Flick.logged')((logged) => this.#enqueue(() => this.#logged(thread, logged))),
    );
  }

  /** Settles when everything that has been printed so far was handed to the editor. */
  async flush(): Promise<void> {
    await this.#last;
  }

  dispose(): void {
    this.#store.dispose();
  }

  #enqueue(make: () => Promise<Output | undefined>): void {
    this.#last = this.#last
      .then(make)
      .then((output) => {
        if (output !== undefined) this.#options.editor.emit('output', output);
      })
      // One line that cannot be shown must not keep back those after it.
      .catch(() => undefined);
  }

  async #call(thread: CdpThread, call: ConsoleCall): Promise<Output | undefined> {
    const { type, args, stackTrace } = call;
    const where = await this.#locate(thread, stackTrace);
    const group = groupOf[type];
    if (type === 'endGroup') return { category: 'stdout', output: '', group: 'end' };
    const present = (object: Protocol.Runtime.RemoteObject): string =>
      this.#options.store.present(thread, object, {}).value;
    const message = formatMessage(args, present);
    const text = type === 'assert' ? `Assertion failed: ${message}` : message;
    const trace = type === 'trace' ? traceOf(stackTrace) : '';
    return {
      category: isProblem(type) ? 'stderr' : 'stdout',
      output: `${text}${trace}\n`,
      ...(group === undefined ? {} : { group }),
      ...where,
      ...this.#expandable(thread, args, text),
    };
  }

  async #thrown(
    thread: CdpThread,
    details: Protocol.Runtime.ExceptionDetails,
  ): Promise<Output | undefined> {
    const { exception, text, stackTrace } = details;
    const where = await this.#locate(thread, stackTrace);
    const shown = exception?.description ?? String(exception?.value ?? '');
    return {
      category: 'stderr',
      output: `${[text, shown].filter((each) => each !== '').join(' ')}\n`,
      ...where,
      ...(exception === undefined ? {} : this.#expandable(thread, [exception], shown)),
    };
  }

  async #logged(thread: CdpThread, logged: FlickEvents['Flick.logged']): Promise<Output> {
    const { source, line, column } = await this.#options.sources.locate(thread, logged.location);
    return { category: 'console', output: `${logged.text}\n`, source, line, column };
  }

  /** Objects in what is printed can be opened. */
  #expandable(
    thread: CdpThread,
    objects: readonly Protocol.Runtime.RemoteObject[],
    text: string,
  ): Pick<Output, 'variablesReference'> {
    if (objects.every(({ objectId }) => objectId === undefined)) return {};
    return { variablesReference: this.#options.store.group(thread, text, objects) };
  }

  async #locate(
    thread: CdpThread,
    trace: Protocol.Runtime.StackTrace | undefined,
  ): Promise<Pick<Output, 'source' | 'line' | 'column'>> {
    const [top] = trace?.callFrames ?? [];
    if (top === undefined) return {};
    const { source, line, column } = await this.#options.sources.locate(thread, top);
    return { source, line, column };
  }
}

function isProblem(type: ConsoleCall['type']): boolean {
  return type === 'error' || type === 'warning' || type === 'assert' || type === 'trace';
}

function traceOf(trace: Protocol.Runtime.StackTrace | undefined): string {
  return (trace?.callFrames ?? [])
    .map(
      ({ functionName, url, lineNumber, columnNumber }) =>
        `\n    at ${functionName || 'anonymous'} (${url}:${lineNumber + 1}:${columnNumber + 1})`,
    )
    .join('');
}
