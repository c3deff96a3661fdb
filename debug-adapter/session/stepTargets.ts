import type { DebugProtocol } from '@vscode/debugprotocol';
import type { Protocol } from '../cdp.ts';
import type { Sources } from '../sources/sources.ts';
import type { ThreadStop } from './debugThread.ts';
import type { LiveStackFrame } from './frames.ts';

interface Call {
  readonly name: string;
  readonly location: Protocol.Debugger.Location;
}

/** Longest stretch of a script that is searched for calls, in lines: a statement in sight, not a whole bundle. */
const maxLines = 40;

/** The calls that a frame has still to make on the line where it stands. */
export async function findStepTargets(
  { stop, frame }: LiveStackFrame,
  signal: AbortSignal,
): Promise<readonly Call[]> {
  const { location } = frame;
  const { scriptId, lineNumber } = location;
  const [{ locations }, { scriptSource }] = await Promise.all([
    stop.thread.send(
      'Debugger.getPossibleBreakpoints',
      {
        start: location,
        end: { scriptId, lineNumber: lineNumber + maxLines, columnNumber: 0 },
        restrictToFunction: true,
      },
      signal,
    ),
    stop.thread.send('Debugger.getScriptSource', { scriptId }, signal),
  ]);
  const lines = scriptSource.split('\n');
  const statement = nextStatement(locations, location);
  return locations
    .filter((each) => each.type === 'call' && isBefore(each, statement))
    .map(({ lineNumber: line, columnNumber }) => ({
      name: nameAt(lines[line] ?? '', columnNumber ?? 0),
      location: { scriptId, lineNumber: line, columnNumber: columnNumber ?? 0 },
    }))
    .filter(({ name }) => name !== '');
}

/** Where the statement after the one at `from` begins. Break locations without a type are those of statements. */
function nextStatement(
  locations: readonly Protocol.Debugger.BreakLocation[],
  from: Protocol.Debugger.Location,
): Protocol.Debugger.Location | undefined {
  return locations.find((each) => each.type !== 'call' && isBefore(from, each));
}

function isBefore(
  one: Protocol.Debugger.Location,
  other: Protocol.Debugger.Location | undefined,
): boolean {
  if (other === undefined) return true;
  if (one.lineNumber !== other.lineNumber) return one.lineNumber < other.lineNumber;
  return (one.columnNumber ?? 0) < (other.columnNumber ?? 0);
}

/** The name that is called at a position, with what it is called on: V8 points at the last part of it. */
function nameAt(line: string, column: number): string {
  const before = /[\w$.?#\])]*$/.exec(line.slice(0, column))?.[0] ?? '';
  const after = /^(?:new\s+)?[\w$.#]+/.exec(line.slice(column))?.[0] ?? '';
  return after === '' ? '' : `${before}${after}`;
}

/**
 * Where a function that would be called begins, if that can be told without changing anything: a statement may begin
 * where its last call does, so that going to the call itself would not go anywhere.
 */
export async function findCallee(
  { stop, frame }: LiveStackFrame,
  { name }: Call,
): Promise<Protocol.Debugger.Location | undefined> {
  const { result } = await stop.thread.send('Debugger.evaluateOnCallFrame', {
    callFrameId: frame.callFrameId,
    expression: name.replace(/^new\s+/, ''),
    throwOnSideEffect: true,
    silent: true,
  });
  if (result.type !== 'function' || result.objectId === undefined) return undefined;
  const { internalProperties } = await stop.thread.send('Runtime.getProperties', {
    objectId: result.objectId,
    ownProperties: true,
  });
  const place = internalProperties?.find((each) => each.name === '[[FunctionLocation]]');
  return place?.value?.value as Protocol.Debugger.Location | undefined;
}

/** The calls that the editor was offered, by the ids it was given. */
export class StepTargets {
  #offered = new Map<number, { readonly frame: LiveStackFrame; readonly call: Call }>();
  #lastId = 0;

  async hand(
    calls: readonly Call[],
    frame: LiveStackFrame,
    sources: Sources,
  ): Promise<DebugProtocol.StepInTarget[]> {
    this.#offered = new Map();
    return await Promise.all(
      calls.map(async (call) => {
        this.#lastId += 1;
        const id = this.#lastId;
        this.#offered.set(id, { frame, call });
        const { line, column } = await sources.locate(frame.thread.cdp, call.location);
        return { id, label: call.name, line, column };
      }),
    );
  }

  /** The call that was offered by this id, while its frame stands as it did. */
  get(id: number, stop: ThreadStop): { frame: LiveStackFrame; call: Call } | undefined {
    const offered = this.#offered.get(id);
    return offered?.frame.stop === stop ? offered : undefined;
  }
}
