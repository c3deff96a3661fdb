import * as v from 'valibot';
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { FlickCommands } from '../../protocol/index.ts';
import { UserError } from '../userError.ts';
import type { DebugTarget } from './debugTarget.ts';
import { takes, text, threadArguments, type RequestTable } from './requests.ts';
import { headlineOf, thrownIn } from './stops.ts';

const filter = v.picklist(['caught', 'uncaught'], '“caught” or “uncaught” is expected');
const filterArguments = v.looseObject({
  filters: v.optional(v.array(filter), []),
  filterOptions: v.optional(
    v.array(v.looseObject({ filterId: filter, condition: v.exactOptional(text) })),
    [],
  ),
});

export type ExceptionFilters = FlickCommands['Flick.setExceptions']['params'];

export const noExceptions: ExceptionFilters = { caught: false, uncaught: false };

export function exceptionRequests(target: () => DebugTarget): RequestTable {
  return {
    setExceptionBreakpoints: takes(filterArguments, async (args) => {
      const { filters, filterOptions } = args;
      const conditionOf = (id: string): string | undefined => {
        const written = filterOptions.find((each) => each.filterId === id)?.condition?.trim();
        return written === '' ? undefined : written;
      };
      const isOn = (id: 'caught' | 'uncaught'): boolean =>
        filters.includes(id) || filterOptions.some((each) => each.filterId === id);
      await target().stopOnExceptions({
        caught: isOn('caught'),
        uncaught: isOn('uncaught'),
        caughtCondition: conditionOf('caught'),
        uncaughtCondition: conditionOf('uncaught'),
      });
      const count = filters.length + filterOptions.length;
      return { breakpoints: Array.from({ length: count }, () => ({ verified: true })) };
    }),
    exceptionInfo: takes(threadArguments, ({ threadId }) => describeException(target(), threadId)),
  };
}

function describeException(
  { threads }: DebugTarget,
  threadId: number,
): DebugProtocol.ExceptionInfoResponse['body'] {
  const { paused } = threads.get(threadId).stopped;
  const thrown = thrownIn(paused);
  if (thrown === undefined) throw new UserError('The thread did not stop for an exception.');
  const headline = headlineOf(thrown);
  const typeName = thrown.className ?? thrown.type;
  return {
    exceptionId: typeName,
    description: headline,
    breakMode: thrown.uncaught === true ? 'unhandled' : 'always',
    details: {
      message: headline.startsWith(`${typeName}: `)
        ? headline.slice(typeName.length + 2)
        : headline,
      typeName,
      ...(thrown.subtype === 'error' && thrown.description !== undefined
        ? { stackTrace: thrown.description }
        : {}),
    },
  };
}
