import type { Device } from '../client/device.ts';
import type { FollowState } from '../client/processFollower.ts';
import { TerminalSession } from '../client/terminalSession.ts';
import { DisposableStore } from '../common/disposable.ts';
import type { ExitStatus, TerminalSize } from '../protocol/index.ts';
import type { Cli } from './cli.ts';
import { UsageError } from './errors.ts';
import type { OutputStream } from './output.ts';
import { escapeControl } from './text.ts';

export interface ViewOptions {
  readonly device: Device;
  readonly id: string;
  readonly name: string;
  /** The byte that detaches when typed. */
  readonly detachKey: DetachKey;
  /** Whether the end of standard input, when that is no terminal, is an end of file for the process (as `run` has it). */
  readonly endInput: boolean;
}

export interface DetachKey {
  readonly byte: number;
  readonly label: string;
}

/** `ctrl-]` and the like. */
export function readDetachKey(given: string): DetachKey {
  const match = /^ctrl-([a-z@[\\\]^_])$/i.exec(given);
  const letter = match?.[1]?.toUpperCase();
  if (letter === undefined) {
    throw new UsageError(`“${given}” is not a key to detach with; it has the form ctrl-X.`);
  }
  return { byte: letter.charCodeAt(0) & 0x1f, label: `Ctrl-${letter}` };
}

/** The size of our terminal; what a terminal usually has where there is none. */
export function ownSize(stdout: OutputStream): TerminalSize {
  const { columns, rows } = stdout;
  const valid = columns !== undefined && rows !== undefined && columns > 0 && rows > 0;
  return valid ? { columns, rows } : { columns: 80, rows: 24 };
}

/**
 * Joins our terminal to that of a process until it ends or the person detaches; it may move meanwhile.
 * @returns the exit status, or undefined after detaching
 */
export async function view(cli: Cli, options: ViewOptions): Promise<ExitStatus | undefined> {
  const { output, fleet } = cli;
  // With --json standard output is for the result alone.
  const sink = output.json ? output.stderr : output.stdout;
  const isTerminal = process.stdin.isTTY && sink.isTTY === true;
  const store = new DisposableStore();
  const pending: { current: Promise<void> } = { current: Promise.resolve() };
  const session = store.add(
    new TerminalSession(fleet, options.device, options.id, {
      size: sink.isTTY === true ? ownSize(sink) : undefined,
      connectAll: true,
      drained: async () => pending.current,
    }),
  );
  session.onOutput((bytes) => (pending.current = output.raw(bytes, sink)));
  session.onDidSkip((bytes) =>
    output.note(`flick: ${String(bytes)} bytes of output were not kept and are left out.`),
  );
  session.onDidChangeState((state) => tellState(cli, state, isTerminal));
  if (isTerminal) {
    output.note(`flick: ${options.detachKey.label} detaches; the process goes on.`);
  }
  try {
    return await new Promise<ExitStatus | undefined>((resolve) => {
      const detach = (): void => resolve(undefined);
      store.add({ dispose: cli.onInterrupt(detach) });
      joinInput(session, options, isTerminal, store, detach);
      if (sink.isTTY === true) {
        const resize = (): void => session.resize(ownSize(sink));
        sink.on('resize', resize);
        store.add({ dispose: () => sink.off('resize', resize) });
      }
      // Whoever read the output has left (`| head`): the process does not need us.
      sink.on('error', detach);
      store.add({ dispose: () => sink.off('error', detach) });
      void session.ended().then(resolve);
      session.start();
    });
  } finally {
    store.dispose();
    await pending.current;
  }
}

function joinInput(
  session: TerminalSession,
  { detachKey, endInput }: ViewOptions,
  isTerminal: boolean,
  store: DisposableStore,
  detach: () => void,
): void {
  const { stdin } = process;
  let lastByte = 0x0a;
  const onData = (bytes: Buffer): void => {
    const at = isTerminal ? bytes.indexOf(detachKey.byte) : -1;
    const input = at < 0 ? bytes : bytes.subarray(0, at);
    if (input.length > 0) {
      session.write(Buffer.from(input));
      lastByte = input[input.length - 1] ?? lastByte;
    }
    if (at >= 0) detach();
  };
  const onEnd = (): void => {
    // In the middle of a line the first end-of-file character only hands over what was typed (termios(3), VEOF).
    if (endInput) session.write(Buffer.from(lastByte === 0x0a ? [4] : [4, 4]));
  };
  // A viewer without a terminal only looks on, unless it started the process and is its input.
  if (!isTerminal && !endInput) return;
  if (isTerminal) stdin.setRawMode(true);
  stdin.on('data', onData);
  stdin.on('end', onEnd);
  stdin.on('error', onEnd);
  stdin.resume();
  store.add({
    dispose() {
      stdin.off('data', onData);
      stdin.off('end', onEnd);
      stdin.pause();
      if (isTerminal) stdin.setRawMode(false);
    },
  });
}

/** A program that owns the whole screen must not be disturbed by what passes in a moment. */
function tellState({ output }: Cli, state: FollowState, isTerminal: boolean): void {
  const end = isTerminal ? '\r' : '';
  if (state.kind === 'waiting')
    output.note(`${end}flick: waiting. ${escapeControl(state.why)}${end}`);
  else if (state.kind === 'moving' && !isTerminal) output.note('flick: moving…');
  else if (state.kind === 'attached' && !isTerminal) {
    output.note(`flick: attached on ${escapeControl(state.device.name)}.`);
  }
}
