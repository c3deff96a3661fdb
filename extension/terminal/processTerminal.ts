import { StringDecoder } from 'node:string_decoder';
import * as vscode from 'vscode';
import type { TerminalSession } from '../../client/terminalSession.ts';
import { DisposableStore } from '../../common/disposable.ts';
import type { ExitStatus } from '../../protocol/index.ts';
import { l10n } from '../l10n.ts';
import { AlternateScreen, endOf, tabName } from '../model/terminalText.ts';

const dim = '\u001b[2m';
const normal = '\u001b[0m';
/** What a program that was killed could not do itself. Outside of the alternate screen, leaving it moves the cursor. */
const leaveScreen = '\u001b[?1049l';
const showCursor = '\u001b[?25h';

/**
 * A terminal tab on a process. It outlives every move: the session finds the process again wherever it runs, and only
 * the tab's name says where that is, so that a program which owns the whole screen is not disturbed.
 */
export class ProcessTerminal implements vscode.Pseudoterminal {
  readonly #session: TerminalSession;
  readonly #processName: string;
  readonly #store = new DisposableStore();
  readonly #write = new vscode.EventEmitter<string>();
  readonly #close = new vscode.EventEmitter<number>();
  readonly #name = new vscode.EventEmitter<string>();
  readonly #screen = new AlternateScreen();
  readonly #decoder = new StringDecoder('utf8');
  #shownName = '';
  /** Set when the process has ended: the tab then stays for reading, and any key closes it. */
  #exitCode: number | undefined;

  readonly onDidWrite = this.#write.event;
  readonly onDidClose = this.#close.event;
  readonly onDidChangeName = this.#name.event;

  constructor(session: TerminalSession, processName: string) {
    this.#session = session;
    this.#processName = processName;
    this.#store.add(session);
    for (const emitter of [this.#write, this.#close, this.#name]) this.#store.add(emitter);
  }

  /** Begins only now, as VS Code drops what is written to a tab before it is drawn. */
  open(dimensions: vscode.TerminalDimensions | undefined): void {
    this.#store.add(
      this.#session.onOutput((bytes) => {
        const text = this.#decoder.write(bytes);
        this.#screen.read(text);
        this.#write.fire(text);
      }),
    );
    this.#store.add(this.#session.onDidChangeState(() => this.#stateChanged()));
    if (dimensions !== undefined) this.setDimensions(dimensions);
    this.#session.start();
  }

  setDimensions({ columns, rows }: vscode.TerminalDimensions): void {
    if (columns > 0 && rows > 0) this.#session.resize({ columns, rows });
  }

  handleInput(data: string): void {
    if (this.#exitCode === undefined) this.#session.write(Buffer.from(data, 'utf8'));
    else this.#close.fire(this.#exitCode);
  }

  /** The person closed the tab. The process goes on. */
  close(): void {
    this.#store.dispose();
  }

  #stateChanged(): void {
    const { state } = this.#session;
    const name = tabName(this.#processName, state);
    if (name !== this.#shownName) {
      this.#shownName = name;
      this.#name.fire(name);
    }
    if (state.kind === 'ended' && this.#exitCode === undefined) this.#ended(state.exit);
  }

  #ended(exit: ExitStatus): void {
    this.#exitCode = exit.exitCode ?? 1;
    const text = l10n.t('[{0} Press any key to close.]', endOf(this.#processName, exit));
    const tidy = `${this.#screen.isOn ? leaveScreen : ''}${showCursor}`;
    this.#write.fire(`${this.#decoder.end()}${tidy}\r\n${dim}${text}${normal}\r\n`);
  }
}
