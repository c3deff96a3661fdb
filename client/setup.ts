import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  applySetup,
  planSetup,
  uploadBundle,
  type ResultOf,
  type SetupPlan,
} from '../protocol/index.ts';
import type { Device } from './device.ts';

export type SetupResult = ResultOf<typeof applySetup>;

/**
 * What setting the device up (or undoing it) would do. Changes nothing.
 * @param bundle path of the bundle of CRIU that could be pushed, if there is one
 */
export async function planDeviceSetup(
  device: Device,
  options: { readonly undo?: boolean; readonly bundle?: string | undefined },
): Promise<SetupPlan> {
  await device.connect();
  return device.request(planSetup, {
    undo: options.undo ?? false,
    bundleAvailable: options.bundle !== undefined,
  });
}

/** Does what a plan says, the bundle pushed first where the plan needs it. Failures of steps are in the result. */
export async function applyDeviceSetup(
  device: Device,
  plan: SetupPlan,
  bundle: string | undefined,
): Promise<SetupResult> {
  const steps = plan.steps.map((each) => each.id);
  if (!plan.needsBundle || bundle === undefined) return device.request(applySetup, { steps });
  const content = await readFile(bundle);
  const sha256 = createHash('sha256').update(content).digest('hex');
  const { ticket, upload } = await device.request(uploadBundle, { size: content.length, sha256 });
  const stream = await device.openStream(ticket);
  // The agent closes its side once it has it all; until then the ticket may still be on its way there.
  const taken = new Promise((resolve) => stream.once('close', resolve));
  await pipeline(Readable.from(pieces(content)), stream);
  stream.resume();
  await taken;
  return device.request(applySetup, { steps, upload });
}

function* pieces(content: Buffer): Generator<Buffer> {
  const size = 1 << 18;
  for (let start = 0; start < content.length; start += size) {
    yield content.subarray(start, start + size);
  }
}
