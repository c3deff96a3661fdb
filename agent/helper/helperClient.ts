import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import * as v from 'valibot';
import { FrameStream } from '../../common/frames.ts';
import { receiveImages } from '../handoff/imageTransfer.ts';
import type { HeldJob } from '../processes/cell.ts';
import { helperAgent, helperNode } from './installed.ts';
import { helperAnswer, type HelperRequest } from './messages.ts';

type Dump = Extract<HelperRequest, { op: 'dump' }>;

/**
 * Lets the helper dump a process outside any cell, and receives the images into a folder of the user's own.
 * @throws {Error} when the helper refused or CRIU failed; its log is then `dump.log` in the folder
 */
export async function dumpThroughHelper(
  request: Omit<Dump, 'op'>,
  folder: string,
): Promise<HeldJob> {
  const helper = startHelper();
  try {
    const answer = await ask(helper, { op: 'dump', ...request });
    if (answer.type === 'failed') {
      await writeFile(join(folder, 'dump.log'), answer.log, { mode: 0o600 });
      throw new Error(answer.message);
    }
    if (answer.type !== 'held') throw new Error('The helper answered something else.');
    const { signal } = new AbortController();
    await receiveImages(helper, folder, answer.files, { onProgress: () => undefined, signal });
  } catch (error) {
    helper.end();
    throw error;
  }
  return {
    pin: () => order(helper, { op: 'pin' }),
    verdict: async (goOn) => {
      await order(helper, { op: 'verdict', goOn });
      helper.end();
    },
  };
}

/** Ends a dump that an agent before this one had pinned. */
export async function settleThroughHelper(id: string, goOn: boolean): Promise<void> {
  const helper = startHelper();
  try {
    await order(helper, { op: 'settle', id, goOn });
  } finally {
    helper.end();
  }
}

function startHelper(): FrameStream {
  // A session of its own: a signal to the agent must not take the helper along in the middle of a dump.
  const child = spawn('sudo', ['-n', helperNode, helperAgent, 'helper'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    detached: true,
  });
  const stream = Duplex.from({ readable: child.stdout, writable: child.stdin });
  child.once('error', (error) => stream.destroy(error));
  return new FrameStream(stream);
}

async function order(helper: FrameStream, request: HelperRequest): Promise<void> {
  const answer = await ask(helper, request);
  if (answer.type === 'failed') throw new Error(answer.message);
}

async function ask(
  helper: FrameStream,
  request: HelperRequest,
): Promise<v.InferOutput<typeof helperAnswer>> {
  await helper.sendJson(request);
  return v.parse(helperAnswer, await helper.receiveJson());
}
