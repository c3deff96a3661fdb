import * as v from 'valibot';
import { UserError } from '../userError.ts';

/** What a handler knows of the request besides its arguments. */
export interface RequestContext {
  /** Aborted with {@link Cancelled} when the editor takes the request back. */
  readonly signal: AbortSignal;
  /** Settles when the response has been sent: what must not overtake it waits for this. */
  readonly answered: Promise<void>;
}

/** The editor took a request back. */
export class Cancelled extends Error {
  constructor() {
    super('cancelled');
    this.name = 'Cancelled';
  }
}

export type RequestHandler = (args: unknown, context: RequestContext) => Promise<unknown>;
/** Handlers of DAP requests by command; an object that they return is the body of the response. */
export type RequestTable = Readonly<Record<string, RequestHandler>>;

/**
 * A handler whose arguments are checked before it is called.
 * @throws {UserError} that names the first argument that is not as it must be
 */
export function takes<S extends v.GenericSchema>(
  schema: S,
  handle: (args: v.InferOutput<S>, context: RequestContext) => unknown,
): RequestHandler {
  return async (args, context) => {
    const parsed = v.safeParse(schema, withoutNulls(args ?? {}));
    if (!parsed.success) throw new UserError(describeIssue(parsed.issues[0]));
    return await handle(parsed.output, context);
  };
}

/** Editors say "none" by leaving out, by null and by undefined. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, each]) => each !== null && each !== undefined)
      .map(([key, each]) => [key, withoutNulls(each)]),
  );
}

function describeIssue(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue);
  const what = path === null ? 'The arguments' : `The argument “${path}”`;
  if (issue.received === 'undefined' && issue.input === undefined) return `${what} is missing.`;
  return `${what} cannot be used: ${issue.message}.`;
}

const count = v.pipe(v.number('a number is expected'), v.integer(), v.minValue(0));
const text = v.string('a text is expected');

export const threadArguments = v.looseObject({ threadId: count });
export const frameArguments = v.looseObject({ frameId: count });
export { count, text };
