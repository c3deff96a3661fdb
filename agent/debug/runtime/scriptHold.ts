import type { Protocol } from 'devtools-protocol/types/protocol.js';
import type { InspectorTarget } from './inspectorTarget.ts';

/** Where every script begins, Node's own and evaluated ones left out. */
const anyFile = '^(file://.*|/.*)$';

/** Programs have many of them, and breakpoints there are set by name. */
const dependencies = '/node_modules/';
/** A debugger that does not answer must not hold the program's start for ever, in ms. */
const longestHold = 10_000;

/** What is remembered of a script: frames do not carry the name of theirs. */
export interface KnownScript {
  readonly url: string;
  readonly hasSourceMap: boolean;
}

/** Stops scripts before their first statement, so that breakpoints can be set in code that was just loaded. */
export class ScriptHold {
  readonly #target: InspectorTarget;
  readonly #held: (scriptId: string) => void;
  readonly #scripts: ReadonlyMap<string, KnownScript>;
  #names: ReadonlySet<string> = new Set();
  #sourceMapped = false;
  #breakpointId: string | undefined;
  #release: (() => void) | undefined;
  /** Breakpoints that were set while a script is held and lie exactly where it stands. */
  #setMeanwhile: { readonly id: string; readonly locations: Protocol.Debugger.Location[] }[] = [];

  constructor(
    target: InspectorTarget,
    scripts: ReadonlyMap<string, KnownScript>,
    held: (scriptId: string) => void,
  ) {
    this.#scripts = scripts;
    this.#target = target;
    this.#held = held;
  }

  get breakpointId(): string | undefined {
    return this.#breakpointId;
  }

  async configure(names: readonly string[], sourceMapped: boolean): Promise<void> {
    this.#names = new Set(names);
    this.#sourceMapped = sourceMapped;
    const wanted = names.length > 0 || sourceMapped;
    if (wanted && this.#breakpointId === undefined) {
      const { breakpointId } = (await this.#target.post('Debugger.setBreakpointByUrl', {
        urlRegex: anyFile,
        lineNumber: 0,
        columnNumber: 0,
      })) as Protocol.Debugger.SetBreakpointByUrlResponse;
      this.#breakpointId = breakpointId;
    } else if (!wanted && this.#breakpointId !== undefined) {
      const breakpointId = this.#breakpointId;
      this.#breakpointId = undefined;
      await this.#target.post('Debugger.removeBreakpoint', { breakpointId });
    }
  }

  /** Notes where breakpoints went while a script is held. */
  didSet({ breakpointId, locations }: Protocol.Debugger.SetBreakpointByUrlResponse): void {
    if (this.#release !== undefined) this.#setMeanwhile.push({ id: breakpointId, locations });
  }

  /** Holds the script of the frame if it is one of those wanted. @returns breakpoints that were set right where it stands */
  async hold(frame: Protocol.Debugger.CallFrame): Promise<string[]> {
    const { scriptId, lineNumber, columnNumber } = frame.location;
    const script = this.#scripts.get(scriptId);
    const name = script?.url.slice(script.url.lastIndexOf('/') + 1) ?? '';
    const wanted =
      this.#names.has(decoded(name)) ||
      (this.#sourceMapped && script?.hasSourceMap === true && !script.url.includes(dependencies));
    if (!wanted) return [];
    this.#setMeanwhile = [];
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, longestHold);
      this.#release = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#held(scriptId);
    });
    this.#release = undefined;
    return this.#setMeanwhile
      .filter(({ locations }) =>
        locations.some(
          (each) =>
            each.scriptId === scriptId &&
            each.lineNumber === lineNumber &&
            (each.columnNumber ?? 0) === (columnNumber ?? 0),
        ),
      )
      .map(({ id }) => id);
  }

  release(): void {
    this.#release?.();
  }
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
