import * as v from 'valibot';
import { messageOf } from '../common/rpc.ts';
import {
  capsuleId,
  FlickError,
  listCapsules,
  restoreCapsule,
  saveCapsule,
  type CapsuleInfo,
  type capsuleProgress,
  type ParamsOf,
  type ResultOf,
} from '../protocol/index.ts';
import type { Device } from './device.ts';
import { makeHandoffId } from './move.ts';

export type CapsuleProgress = Omit<ParamsOf<typeof capsuleProgress>, 'operation'>;

export interface CapsuleOptions {
  /** Of the capsule that is saved, or of the process that is restored; without, the agent finds one. */
  readonly name?: string | undefined;
  readonly onProgress?: ((progress: CapsuleProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Saves a process, which goes on. @throws {FlickError} why that failed; the process goes on then too */
export async function saveToCapsule(
  device: Device,
  process: string,
  options: CapsuleOptions = {},
): Promise<ResultOf<typeof saveCapsule>> {
  return await followed(device, options, (operation) =>
    device.request(saveCapsule, { operation, process, ...named(options) }, options.signal),
  );
}

/** Makes another process of a capsule, on the device that has it. @throws {FlickError} why that failed */
export async function restoreFromCapsule(
  device: Device,
  capsule: string,
  options: CapsuleOptions = {},
): Promise<ResultOf<typeof restoreCapsule>> {
  return await followed(device, options, (operation) =>
    device.request(restoreCapsule, { operation, capsule, ...named(options) }, options.signal),
  );
}

/** A capsule and the device that has it. A damaged one has nothing but its id. */
export interface FoundCapsule {
  readonly device: Device;
  readonly id: string;
  readonly info: CapsuleInfo | undefined;
  /** Why it cannot be read. */
  readonly damage: string | undefined;
}

export interface CapsuleSurvey {
  readonly found: readonly FoundCapsule[];
  /** Devices that could not be asked, with the reason. */
  readonly silent: readonly { readonly device: Device; readonly error: unknown }[];
}

/** Asks devices for their capsules; those that cannot be reached are reported, not thrown. */
export async function surveyCapsules(devices: readonly Device[]): Promise<CapsuleSurvey> {
  const silent: { device: Device; error: unknown }[] = [];
  const found = await Promise.all(
    devices.map(async (device): Promise<FoundCapsule[]> => {
      try {
        await device.connect();
        const { capsules, damaged } = await device.request(listCapsules, {});
        return [
          ...capsules.map((info) => ({ device, id: info.id, info, damage: undefined })),
          ...damaged.map(({ id, why }) => ({ device, id, info: undefined, damage: why })),
        ];
      } catch (error) {
        silent.push({ device, error });
        return [];
      }
    }),
  );
  return { found: found.flat(), silent };
}

/** A capsule that can be restored, and the device that has it. */
export interface RestorableCapsule {
  readonly device: Device;
  readonly info: CapsuleInfo;
}

/** Newest capsules of processes, by the processes' ids; devices that cannot be asked are passed over. */
export async function newestCapsules(
  devices: readonly Device[],
): Promise<ReadonlyMap<string, RestorableCapsule>> {
  const newest = new Map<string, RestorableCapsule>();
  for (const { device, info } of (await surveyCapsules(devices)).found) {
    if (info === undefined) continue;
    const known = newest.get(info.process.id);
    if (known === undefined || known.info.savedAt < info.savedAt) {
      newest.set(info.process.id, { device, info });
    }
  }
  return newest;
}

/** The capsule with that id or name. @throws {FlickError} `noSuchCapsule`, `ambiguous` */
export async function findCapsule(
  devices: readonly Device[],
  nameOrId: string,
): Promise<FoundCapsule> {
  const { found, silent } = await surveyCapsules(devices);
  const byId = found.filter((each) => each.id === nameOrId);
  const fitting = byId.length > 0 ? byId : found.filter((each) => each.info?.name === nameOrId);
  const [first] = fitting;
  if (first !== undefined && fitting.length === 1) return first;
  if (first !== undefined) {
    const list = fitting.map(({ id, device }) => `${id} on ${device.name}`).join(', ');
    throw new FlickError('ambiguous', `Several capsules are named “${nameOrId}”: ${list}.`, {
      remedy: 'Name the capsule by its id, or its device with --device.',
    });
  }
  const what = v.is(capsuleId, nameOrId)
    ? `There is no capsule with the id ${nameOrId}.`
    : `There is no capsule “${nameOrId}”.`;
  const unasked = silent.map(({ device, error }) => `${device.name} (${messageOf(error)})`);
  throw new FlickError(
    'noSuchCapsule',
    unasked.length === 0 ? what : `${what} Could not be asked: ${unasked.join('; ')}`,
    { remedy: 'flick capsule ls lists what there is.' },
  );
}

function named({ name }: CapsuleOptions): { readonly name?: string } {
  return name === undefined ? {} : { name };
}

async function followed<T>(
  device: Device,
  { onProgress }: CapsuleOptions,
  run: (operation: string) => Promise<T>,
): Promise<T> {
  const operation = makeHandoffId();
  const subscription = device.onCapsuleProgress(({ operation: which, ...progress }) => {
    if (which === operation) onProgress?.(progress);
  });
  try {
    return await run(operation);
  } finally {
    subscription.dispose();
  }
}
