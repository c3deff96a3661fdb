import type { DebugProtocol } from '@vscode/debugprotocol';
import * as v from 'valibot';
import type { DebugTarget } from './debugTarget.ts';
import { count, takes, text, type RequestTable } from './requests.ts';

const source = v.looseObject({
  path: v.exactOptional(text),
  name: v.exactOptional(text),
  sourceReference: v.exactOptional(count),
});
const line = v.pipe(v.number('a number is expected'), v.integer(), v.minValue(1));
const position = { line, column: v.exactOptional(line) };

const setArguments = v.looseObject({
  source,
  breakpoints: v.optional(
    v.array(
      v.looseObject({
        ...position,
        condition: v.exactOptional(text),
        hitCondition: v.exactOptional(text),
        logMessage: v.exactOptional(text),
      }),
    ),
    [],
  ),
});
const locationArguments = v.looseObject({
  source,
  ...position,
  endLine: v.exactOptional(line),
  endColumn: v.exactOptional(line),
});
const sourceArguments = v.looseObject({
  source: v.exactOptional(source),
  sourceReference: v.optional(count, 0),
});

export function breakpointRequests(target: () => DebugTarget): RequestTable {
  return {
    setBreakpoints: takes(setArguments, async (args, { signal }) => ({
      breakpoints: await target().breakpoints.set(
        args as DebugProtocol.SetBreakpointsArguments,
        signal,
      ),
    })),
    breakpointLocations: takes(locationArguments, async (args, { signal }) => ({
      breakpoints: await target().breakpoints.locations(
        args as DebugProtocol.BreakpointLocationsArguments,
        signal,
      ),
    })),
    source: takes(sourceArguments, (args, { signal }) =>
      target().sources.source(args as DebugProtocol.SourceArguments, signal),
    ),
    loadedSources: takes(v.looseObject({}), async () => ({
      sources: await target().sources.loadedSources(),
    })),
  };
}
