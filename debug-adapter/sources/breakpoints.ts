import type { DebugProtocol } from '@vscode/debugprotocol';
import { Emitter } from '../../common/event.ts';
import type { BreakpointAction } from '../../protocol/index.ts';
import { CdpError, type CdpThread, type Protocol } from '../cdp.ts';
import { logExpression } from './logMessage.ts';
import { baseName, patternOfUrl } from './paths.ts';
import type { Script } from './scripts.ts';
import type { Sources } from './sources.ts';

/** A breakpoint of the inspector that stands for one of a person's in one script's code. */
interface Placement {
  readonly thread: CdpThread;
  readonly breakpointId: string;
}

/** A breakpoint as a person set it. */
interface Entry {
  readonly id: number;
  readonly source: DebugProtocol.Source;
  readonly wanted: DebugProtocol.SourceBreakpoint;
  /** By thread, pattern and position, so that a file that is loaded twice is not set twice. */
  readonly placements: Map<string, Promise<Placement | undefined>>;
  shown: DebugProtocol.Breakpoint;
  /** Its condition or message cannot be read: it is set nowhere. */
  isBroken: boolean;
  /** Set once it has been taken away: what is still being placed is removed again. */
  removed: boolean;
}

const notLoaded = 'The file is not loaded yet; the breakpoint is set when it is.';

/** The breakpoints of a session, kept bound to whatever code is loaded for the files that they are in. */
export class Breakpoints {
  readonly #sources: Sources;
  readonly #threads = new Set<CdpThread>();
  readonly #entries = new Map<string, Entry[]>();
  readonly #changed = new Emitter<DebugProtocol.Breakpoint>();
  #lastId = 0;

  readonly onDidChange = this.#changed.event;

  constructor({ sources }: { readonly sources: Sources }) {
    this.#sources = sources;
    sources.onDidParse((script) => void this.#bindScript(script).catch(() => undefined));
  }

  /** Begins to serve a thread; to be called when its debugger is enabled. */
  attach(thread: CdpThread): void {
    if (this.#threads.has(thread)) return;
    this.#threads.add(thread);
    thread.on('Flick.scriptHeld')(({ scriptId }) => void this.#held(thread, scriptId));
    thread.on('Debugger.breakpointResolved')(({ breakpointId, location }) => {
      void this.#resolved(thread, breakpointId, location).catch(() => undefined);
    });
    void this.#hold(thread);
  }

  /** Sets all breakpoints of a file. Those that were there stay as they are, with their counts. */
  async set(
    { source, breakpoints = [] }: DebugProtocol.SetBreakpointsArguments,
    signal: AbortSignal,
  ): Promise<DebugProtocol.Breakpoint[]> {
    const key = keyOf(source);
    const left = [...(this.#entries.get(key) ?? [])];
    const entries = breakpoints.map((wanted) => {
      const same = left.findIndex((each) => isSame(each.wanted, wanted));
      const [kept] = same < 0 ? [] : left.splice(same, 1);
      return kept ?? this.#make(source, wanted);
    });
    this.#entries.set(key, entries);
    await Promise.all(left.map((each) => this.#remove(each)));
    const fresh = entries.filter((each) => each.placements.size === 0);
    await Promise.all(fresh.map((each) => this.#place(each, signal)));
    await this.#holdAll();
    return entries.map(({ shown }) => shown);
  }

  /** Everything is set anew: the session in the process is another one. */
  async restore(): Promise<void> {
    const entries = [...this.#entries.values()].flat();
    this.#ids.clear();
    for (const each of entries) {
      each.placements.clear();
      this.#show(each, { verified: false, message: notLoaded, reason: 'pending' });
    }
    await Promise.all(entries.map((each) => this.#place(each, new AbortController().signal)));
    await this.#holdAll();
  }

  /** The ids of a person's breakpoints that a stop is for; `elsewhere` for one that was just taken away. */
  hit({ hitBreakpoints = [] }: Protocol.Debugger.PausedEvent): number[] | 'elsewhere' {
    const known = hitBreakpoints.flatMap((each) => this.#ids.get(each) ?? []);
    const ids = known.flatMap((entries) =>
      [...entries].filter(({ removed }) => !removed).map(({ id }) => id),
    );
    const isGone = hitBreakpoints.length > 0 && known.length === hitBreakpoints.length;
    return ids.length === 0 && isGone ? 'elsewhere' : ids;
  }

  /** Where in some lines of a file breakpoints can be set. */
  async locations(
    { source, line, column, endLine, endColumn }: DebugProtocol.BreakpointLocationsArguments,
    signal: AbortSignal,
  ): Promise<DebugProtocol.BreakpointLocation[]> {
    const last = endLine ?? line;
    const found = new Map<string, DebugProtocol.BreakpointLocation>();
    const inRange = (at: { line: number; column: number }): boolean =>
      !(at.line === line && at.column < (column ?? 1)) &&
      !(at.line === last && at.column > (endColumn ?? Infinity));
    for (const script of this.#scriptsOf(source)) {
      for (const { map, source: index } of await this.#sources.originsOf(script, source)) {
        const positions =
          map === undefined || index === undefined
            ? await possible(script, line - 1, last - 1, signal)
            : map.mapped(index, line - 1, last - 1).map(({ original }) => original);
        for (const each of positions) {
          const at = { line: each.line + 1, column: each.column + 1 };
          if (inRange(at)) found.set(`${at.line}:${at.column}`, at);
        }
      }
    }
    return [...found.values()].sort(
      (one, other) => one.line - other.line || (one.column ?? 0) - (other.column ?? 0),
    );
  }

  /** The inspector's breakpoints, with the entries that they stand for. */
  readonly #ids = new Map<string, Set<Entry>>();

  #make(source: DebugProtocol.Source, wanted: DebugProtocol.SourceBreakpoint): Entry {
    this.#lastId += 1;
    const { line, column } = wanted;
    const shown: DebugProtocol.Breakpoint = {
      id: this.#lastId,
      verified: false,
      line,
      ...(column === undefined ? {} : { column }),
      source,
      message: notLoaded,
      reason: 'pending',
    };
    const placements = new Map<string, Promise<Placement | undefined>>();
    return { id: this.#lastId, source, wanted, placements, shown, isBroken: false, removed: false };
  }

  async #remove(entry: Entry): Promise<void> {
    entry.removed = true;
    for (const placing of entry.placements.values()) {
      const placement = await placing;
      if (placement === undefined) continue;
      const { thread, breakpointId } = placement;
      this.#ids.get(breakpointId)?.delete(entry);
      await thread.send('Debugger.removeBreakpoint', { breakpointId }).catch(() => undefined);
    }
  }

  async #place(entry: Entry, signal: AbortSignal): Promise<void> {
    const problem = await this.#problemOf(entry, signal);
    entry.isBroken = problem !== undefined;
    if (problem !== undefined) {
      this.#show(entry, { verified: false, message: problem, reason: 'failed' });
      return;
    }
    for (const script of this.#scriptsOf(entry.source)) await this.#bind(entry, script);
  }

  /** What is wrong with a condition or a message, before code runs into it. */
  async #problemOf({ wanted }: Entry, signal: AbortSignal): Promise<string | undefined> {
    const [thread] = this.#threads;
    if (thread === undefined) return undefined;
    const { condition, hitCondition, logMessage } = wanted;
    if (hitCondition !== undefined && !/^\s*(={1,3}|>=?|<=?|%)?\s*\d+\s*$/.test(hitCondition)) {
      return `“${hitCondition}” is no hit count: write 5, > 5, or % 5 for every fifth.`;
    }
    for (const [what, expression] of [
      ['condition', condition],
      ['log message', logMessage === undefined ? undefined : logExpression(logMessage)],
    ] as const) {
      if (expression === undefined || expression.trim() === '') continue;
      const { exceptionDetails } = await thread.send(
        'Runtime.compileScript',
        // Private fields are known only in their class: to the compiler here they are ordinary ones.
        { expression: expression.replaceAll('.#', '.'), sourceURL: '', persistScript: false },
        signal,
      );
      const said = exceptionDetails?.exception?.description?.split('\n')[0];
      if (exceptionDetails !== undefined)
        return `The ${what} cannot be read: ${said ?? 'an error'}`;
    }
    return undefined;
  }

  /** Scripts that may have code of a file: those of its name, and those made from other files. */
  #scriptsOf(source: DebugProtocol.Source): Script[] {
    return this.#sources.scripts
      .all()
      .filter((script) => this.#threads.has(script.thread) && mayHaveCodeOf(source, script));
  }

  async #bindScript(script: Script): Promise<void> {
    if (!this.#threads.has(script.thread)) return;
    for (const entry of [...this.#entries.values()].flat()) {
      if (mayHaveCodeOf(entry.source, script)) await this.#bind(entry, script);
    }
  }

  /** Sets a breakpoint in a script, if that has code of its file. */
  async #bind(entry: Entry, script: Script): Promise<void> {
    if (entry.isBroken) return;
    const { line, column } = entry.wanted;
    for (const { map, source } of await this.#sources.originsOf(script, entry.source)) {
      const original = { line: line - 1, column: (column ?? 1) - 1 };
      const positions =
        map === undefined || source === undefined
          ? [{ line: original.line, column: column === undefined ? undefined : original.column }]
          : map.generated(source, original.line, original.column);
      if (positions.length === 0 && !entry.shown.verified) {
        const message = 'There is no code for this line in the program.';
        this.#show(entry, { verified: false, message, reason: 'failed' });
      }
      await Promise.all(positions.map((each) => this.#put(entry, script, each)));
    }
  }

  async #put(
    entry: Entry,
    script: Script,
    position: { readonly line: number; readonly column?: number | undefined },
  ): Promise<void> {
    const urlRegex = patternOfUrl(script.url);
    const { thread } = script;
    const key = `${thread.thread} ${urlRegex} ${position.line} ${position.column ?? ''}`;
    let placing = entry.placements.get(key);
    if (placing === undefined) {
      placing = this.#send(entry, thread, urlRegex, position);
      entry.placements.set(key, placing);
    }
    await placing;
  }

  async #send(
    entry: Entry,
    thread: CdpThread,
    urlRegex: string,
    { line, column }: { readonly line: number; readonly column?: number | undefined },
  ): Promise<Placement | undefined> {
    const { condition } = entry.wanted;
    const action = actionOf(entry.wanted);
    try {
      const { breakpointId, locations } = await thread.send('Flick.setBreakpointByUrl', {
        urlRegex,
        lineNumber: line,
        ...(column === undefined ? {} : { columnNumber: column }),
        ...(condition === undefined || condition.trim() === '' ? {} : { condition }),
        ...(action === undefined ? {} : { action }),
      });
      const entries = this.#ids.get(breakpointId) ?? new Set<Entry>();
      this.#ids.set(breakpointId, entries.add(entry));
      if (entry.removed) {
        await thread.send('Debugger.removeBreakpoint', { breakpointId });
        return undefined;
      }
      const [first] = locations;
      if (first !== undefined) await this.#verify(entry, thread, first);
      else if (!entry.shown.verified) {
        const message = 'There is no code on this line or after it.';
        this.#show(entry, { verified: false, message, reason: 'failed' });
      }
      return { thread, breakpointId };
    } catch (error) {
      if (!(error instanceof CdpError)) throw error;
      const exists = /already exists/.test(error.message);
      if (exists && !entry.shown.verified) {
        const message = 'Another breakpoint is set on the same code.';
        this.#show(entry, { verified: false, message, reason: 'failed' });
      }
      return undefined;
    }
  }

  async #resolved(
    thread: CdpThread,
    breakpointId: string,
    location: Protocol.Debugger.Location,
  ): Promise<void> {
    for (const entry of this.#ids.get(breakpointId) ?? []) {
      if (!entry.removed) await this.#verify(entry, thread, location);
    }
  }

  async #verify(
    entry: Entry,
    thread: CdpThread,
    location: Protocol.Debugger.Location,
  ): Promise<void> {
    const { source, line, column } = await this.#sources.locate(thread, location);
    // Code that was made from the line before may be all there is: the breakpoint stays where it was set then.
    const isThere = keyOf(source) === keyOf(entry.source);
    this.#show(entry, {
      verified: true,
      ...(isThere ? { line, ...(entry.wanted.column === undefined ? {} : { column }) } : {}),
    });
  }

  #show(
    entry: Entry,
    change: Pick<DebugProtocol.Breakpoint, 'verified' | 'line' | 'column' | 'message' | 'reason'>,
  ): void {
    const { id, source, line, column } = entry.shown;
    const shown: DebugProtocol.Breakpoint = {
      ...(id === undefined ? {} : { id }),
      ...(source === undefined ? {} : { source }),
      ...(line === undefined ? {} : { line }),
      ...(column === undefined ? {} : { column }),
      ...change,
    };
    const isSameAsBefore = JSON.stringify(shown) === JSON.stringify(entry.shown);
    entry.shown = shown;
    if (!isSameAsBefore && !entry.removed) this.#changed.fire(shown);
  }

  /** A script stands before its first statement: what is to stop in it is set, and it goes on. */
  async #held(thread: CdpThread, scriptId: string): Promise<void> {
    try {
      const script = this.#sources.scripts.get(thread, scriptId);
      if (script !== undefined) await this.#bindScript(script);
    } finally {
      await thread.send('Flick.releaseScript').catch(() => undefined);
      await this.#hold(thread);
    }
  }

  async #holdAll(): Promise<void> {
    await Promise.all([...this.#threads].map((thread) => this.#hold(thread)));
  }

  /**
   * Lets scripts of the files that have breakpoints be held whenever they are loaded: in another thread, or once more. Those
   * that were made from other files are held while there is a file that has not been found in any.
   */
  async #hold(thread: CdpThread): Promise<void> {
    const entries = [...this.#entries.values()].flat().filter(({ isBroken }) => !isBroken);
    const names = entries.flatMap(({ source: { path } }) =>
      path === undefined ? [] : [baseName(path)],
    );
    const sourceMapped = entries.some(({ shown }) => !shown.verified);
    const wanted = { names: [...new Set(names)], sourceMapped };
    await thread.send('Flick.holdScripts', wanted).catch(() => undefined);
  }
}

/** Whether it is worth a closer look: a script of the file's name, or one that was made from other files. */
function mayHaveCodeOf(
  { path, sourceReference = 0 }: DebugProtocol.Source,
  script: Script,
): boolean {
  const isNamed = path !== undefined && baseName(path) === script.name;
  return sourceReference > 0 || isNamed || mayBeMadeFromOthers(script);
}

/** A file that was generated from several, or one of another name. */
function mayBeMadeFromOthers({ sourceMapUrl, url }: Script): boolean {
  return sourceMapUrl !== undefined && !url.includes('/node_modules/');
}

function actionOf({
  hitCondition,
  logMessage,
}: DebugProtocol.SourceBreakpoint): BreakpointAction | undefined {
  const hasCount = hitCondition !== undefined && hitCondition.trim() !== '';
  const hasMessage = logMessage !== undefined && logMessage !== '';
  if (!hasCount && !hasMessage) return undefined;
  return {
    ...(hasCount ? { hitCondition } : {}),
    ...(hasMessage ? { log: logExpression(logMessage) } : {}),
  };
}

async function possible(
  { thread, scriptId }: Script,
  from: number,
  to: number,
  signal: AbortSignal,
): Promise<{ line: number; column: number }[]> {
  const { locations } = await thread.send(
    'Debugger.getPossibleBreakpoints',
    {
      start: { scriptId, lineNumber: from, columnNumber: 0 },
      end: { scriptId, lineNumber: to + 1, columnNumber: 0 },
    },
    signal,
  );
  return locations.map((each) => ({ line: each.lineNumber, column: each.columnNumber ?? 0 }));
}

function isSame(
  one: DebugProtocol.SourceBreakpoint,
  other: DebugProtocol.SourceBreakpoint,
): boolean {
  const parts = (each: DebugProtocol.SourceBreakpoint): string =>
    JSON.stringify([each.line, each.column, each.condition, each.hitCondition, each.logMessage]);
  return parts(one) === parts(other);
}

function keyOf({ path, sourceReference = 0 }: DebugProtocol.Source): string {
  return sourceReference > 0 ? `#${sourceReference}` : (path ?? '');
}
