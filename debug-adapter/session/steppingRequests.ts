import * as v from 'valibot';
import { CdpError } from '../cdp.ts';
import { UserError } from '../userError.ts';
import type { DebugTarget } from './debugTarget.ts';
import { count, frameArguments, takes, threadArguments, type RequestTable } from './requests.ts';
import { findCallee, findStepTargets } from './stepTargets.ts';

const stepInArguments = v.looseObject({
  ...threadArguments.entries,
  targetId: v.exactOptional(count),
});

export function steppingRequests(target: () => DebugTarget): RequestTable {
  const simple = (motion: 'next' | 'stepOut') =>
    takes(threadArguments, async ({ threadId }, { answered }) => {
      const { threads } = target();
      await threads.run(threads.get(threadId), motion, answered);
    });
  return {
    continue: takes(threadArguments, async ({ threadId }, { answered }) => {
      const { threads } = target();
      await threads.run(threads.get(threadId), 'continue', answered);
      return { allThreadsContinued: false };
    }),
    next: simple('next'),
    stepOut: simple('stepOut'),
    stepIn: takes(stepInArguments, async ({ threadId, targetId }, { answered }) => {
      const { threads, stepTargets } = target();
      const thread = threads.get(threadId);
      const offered =
        targetId === undefined ? undefined : stepTargets.get(targetId, thread.stopped);
      if (offered === undefined) {
        await threads.run(thread, 'stepIn', answered);
        return;
      }
      const callee = await findCallee(offered.frame, offered.call);
      await threads.leave(thread, 'stepIn', answered, async () => {
        // One that cannot be looked up is entered from the call itself, once its arguments have been evaluated.
        if (callee === undefined) thread.stepTarget = offered.call.location;
        await thread.cdp.send('Debugger.continueToLocation', {
          location: callee ?? offered.call.location,
          targetCallFrames: callee === undefined ? 'current' : 'any',
        });
      });
    }),
    stepInTargets: takes(frameArguments, async ({ frameId }, { signal }) => {
      const { threads, stepTargets, sources } = target();
      const frame = threads.frames.live(frameId);
      const found = await findStepTargets(frame, signal);
      return { targets: await stepTargets.hand(found, frame, sources) };
    }),
    restartFrame: takes(frameArguments, async ({ frameId }, { answered }) => {
      const { threads } = target();
      const { thread, frame } = threads.frames.live(frameId);
      const { callFrameId } = frame;
      try {
        await threads.leave(thread, 'restartFrame', answered, () =>
          thread.cdp.send('Debugger.restartFrame', { callFrameId, mode: 'StepInto' }),
        );
      } catch (error) {
        if (!(error instanceof CdpError)) throw error;
        throw new UserError(
          'Node.js cannot begin this function anew: it or one that it called is a generator, an async function or none of JavaScript.',
          'Choose a frame nearer to the top of the stack.',
        );
      }
    }),
    pause: takes(threadArguments, async ({ threadId }, { answered }) => {
      const { threads } = target();
      const thread = threads.get(threadId);
      if (thread.stop?.reason !== undefined) return;
      thread.pauseAsked = true;
      thread.told = answered;
      await thread.cdp.send('Debugger.pause');
    }),
  };
}
