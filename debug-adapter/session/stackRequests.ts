import type { DebugProtocol } from '@vscode/debugprotocol';
import * as v from 'valibot';
import type { DebugTarget } from './debugTarget.ts';
import type { StackFrame } from './frames.ts';
import { nameOfAsync, nameOfCall, nameOfPastCall } from './frameNames.ts';
import { count, takes, threadArguments, type RequestTable } from './requests.ts';

const stackTraceArguments = v.looseObject({
  ...threadArguments.entries,
  startFrame: v.exactOptional(count),
  levels: v.exactOptional(count),
});

export function stackRequests(target: () => DebugTarget): RequestTable {
  return {
    threads: takes(v.looseObject({}), () => ({ threads: target().threads.list() })),
    stackTrace: takes(stackTraceArguments, async (args, { signal }) => {
      const { threads } = target();
      const { stack } = threads.get(args.threadId).stopped;
      const start = args.startFrame ?? 0;
      const end = args.levels === undefined || args.levels === 0 ? Infinity : start + args.levels;
      const frames = await stack.slice(start, end, signal);
      const stackFrames = await Promise.all(
        frames.map((frame) => describe(target(), frame, stack.isAsync(frame))),
      );
      return { stackFrames, totalFrames: stack.total };
    }),
  };
}

async function describe(
  target: DebugTarget,
  frame: StackFrame,
  isAsync: boolean,
): Promise<DebugProtocol.StackFrame> {
  const { id, thread } = frame;
  if (frame.kind === 'separator') {
    const name = `after ${frame.label}`;
    return { id, name, line: 0, column: 0, presentationHint: 'label' };
  }
  const at = frame.kind === 'live' ? frame.frame.location : frame.call;
  const { source, line, column, name, skipped } = await target.sources.locate(thread.cdp, at);
  const file = source.path ?? source.name;
  const shown =
    frame.kind === 'live'
      ? nameOfCall(frame.frame, name, file)
      : nameOfPastCall(frame.call, name, file);
  return {
    id,
    name: isAsync ? nameOfAsync(shown) : shown,
    source,
    line,
    column,
    canRestart: frame.kind === 'live' && frame.frame.canBeRestarted === true,
    presentationHint: skipped ? 'subtle' : 'normal',
  };
}
