import * as v from 'valibot';
import { describeIssues } from '../../common/rpc.ts';
import { FlickError, type ProcessFacts } from '../../protocol/index.ts';
import { debugFolder } from '../debug/place.ts';
import type { ManagedProcess } from '../processes/managedProcess.ts';
import { gatherFacts } from './criu/facts.ts';
import type { TreeFacts } from './engine.ts';

/** @throws {FlickError} `processGone` */
export function requirePid({ pid, record }: ManagedProcess): number {
  if (pid !== undefined) return pid;
  throw new FlickError('processGone', `“${record.name}” does not run any more.`);
}

/** What every engine says of a process while it runs. @throws {FlickError} `processGone` */
export async function inspectManaged(managed: ManagedProcess): Promise<TreeFacts> {
  const { cell, record } = managed;
  const facts = await gatherFacts({
    rootPid: requirePid(managed),
    ...(cell === undefined ? {} : { cell: { keeperPid: cell.keeperPid } }),
    flickOwnedTty: cell !== undefined,
    carry: [...record.carry],
    command: record.command,
  });
  // Debuggers are disconnected before the process stands still, and come back to it afterwards.
  const debuggers = `${debugFolder(managed.id)}/`;
  const unixSockets = facts.unixSockets.filter(({ path }) => !path.startsWith(debuggers));
  return { ...facts, unixSockets };
}

/** What another device's engine says of a process. @throws {FlickError} `invalidRequest` when it is not what it should be */
export function parseFactsAs<T>(
  schema: v.GenericSchema<unknown, T>,
  { document }: ProcessFacts,
): T {
  const parsed = v.safeParse(schema, document);
  if (parsed.success) return parsed.output;
  throw new FlickError(
    'invalidRequest',
    `What the other device says about the process was not understood: ${describeIssues(parsed.issues.slice(0, 3))}`,
  );
}
