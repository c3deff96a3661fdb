import { FrameStream } from '../../common/frames.ts';
import { messageOf } from '../../common/rpc.ts';
import { FlickError } from '../../protocol/index.ts';
import { plainLink, type HandoffOperation } from '../handoff/context.ts';
import { PeerAborted } from '../handoff/messages.ts';
import { duplexPair } from './duplexPair.ts';

/**
 * Lets a process be saved: whoever receives is the target as far as the source's half of a handoff can tell, and calls
 * it off at the end. Resolves when the process runs on.
 * @throws what made the receiver or the source give up; the process runs on then too
 */
export async function receiveFrom(
  departure: HandoffOperation<unknown>,
  receive: (frames: FrameStream) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  await converse(departure, signal, async (frames) => {
    await receive(frames);
    await frames.sendJson({ type: 'abort', reason: 'cancelled', message: 'It is saved.' });
  });
  const end = await departure.result.then(
    () => new Error('A process that was to be saved has left.'),
    (error: unknown) => error,
  );
  // Called off by us, as it was meant to be.
  if (!(end instanceof PeerAborted)) throw end;
}

/** Lets a process arrive that the sender plays the source of. @throws what made the sender or the target give up */
export async function sendTo<T>(
  arrival: HandoffOperation<unknown>,
  send: (frames: FrameStream) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const said = await converse(arrival, signal, send);
  await arrival.result;
  return said;
}

async function converse<T>(
  operation: HandoffOperation<unknown>,
  signal: AbortSignal,
  speak: (frames: FrameStream) => Promise<T>,
): Promise<T> {
  const [ours, theirs] = duplexPair();
  const frames = new FrameStream(ours);
  const cancel = (): void => void operation.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  operation.join(theirs, plainLink);
  if (signal.aborted) cancel();
  try {
    return await speak(frames);
  } catch (error) {
    const data =
      error instanceof FlickError
        ? error.toData()
        : { reason: 'transferFailed', message: messageOf(error) };
    await frames.sendJson({ type: 'abort', ...data }).catch(() => undefined);
    frames.end();
    const other = await operation.result.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    throw gaveUp(error) || !gaveUp(other) ? error : other;
  } finally {
    signal.removeEventListener('abort', cancel);
    frames.end();
  }
}

/** Whether this is why somebody gave up, and not what the one at the other end made of it. */
function gaveUp(error: unknown): boolean {
  return (
    error instanceof FlickError &&
    !(error instanceof PeerAborted) &&
    !['transferFailed', 'linkLost'].includes(error.reason)
  );
}
