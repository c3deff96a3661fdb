import * as v from 'valibot';
import { messageOf } from '../common/rpc.ts';
import { FlickError, processId, type ProcessInfo } from '../protocol/index.ts';
import type { Device } from './device.ts';

export interface FoundProcess {
  readonly device: Device;
  readonly process: ProcessInfo;
}

/** What asking several devices gave. */
export interface Survey {
  readonly found: readonly FoundProcess[];
  /** Devices that could not be asked, with the reason for people. */
  readonly silent: readonly { readonly device: Device; readonly error: unknown }[];
}

export interface SurveyOptions {
  readonly signal?: AbortSignal | undefined;
  /**
   * Called whenever a device has answered: whether the others need to be waited for at all, or no longer than a moment.
   */
  readonly isEnough?: ((found: readonly FoundProcess[]) => 'no' | 'nearly' | 'yes') | undefined;
}

/** How long devices that have not answered are waited for once there is nearly enough, in ms. */
const grace = 2_000;

/** Connects to the devices at once and asks for their processes; those that cannot be reached are reported, not thrown. */
export async function surveyProcesses(
  devices: readonly Device[],
  options: SurveyOptions = {},
): Promise<Survey> {
  const found: FoundProcess[] = [];
  const silent = new Map<Device, unknown>(
    devices.map((device) => [device, new Error('It has not answered yet.')]),
  );
  let enough: () => void = () => undefined;
  const sufficient = new Promise<void>((resolve) => (enough = resolve));
  let timer: NodeJS.Timeout | undefined;
  const all = Promise.all(
    devices.map(async (device) => {
      try {
        await device.connect();
        const processes = await device.listProcesses(options.signal);
        silent.delete(device);
        found.push(...processes.map((process) => ({ device, process })));
        const verdict = options.isEnough?.(found) ?? 'no';
        if (verdict === 'yes') enough();
        else if (verdict === 'nearly') timer ??= setTimeout(enough, grace);
      } catch (error) {
        silent.set(device, error);
      }
    }),
  );
  await Promise.race([all, sufficient]);
  clearTimeout(timer);
  const order = (device: Device): number => devices.indexOf(device);
  return {
    found: [...found].sort((a, b) => order(a.device) - order(b.device)),
    silent: [...silent].map(([device, error]) => ({ device, error })),
  };
}

/** Rank of a state when the same process is known in several places: where it really is comes first. */
const presence: Readonly<Record<ProcessInfo['state'], number>> = {
  running: 0,
  stopped: 0,
  moving: 1,
  inDoubt: 2,
  arriving: 3,
  exited: 4,
  lost: 5,
};

/** True when the process is there and nowhere else. */
export function isPresent({ process }: FoundProcess): boolean {
  return presence[process.state] === 0;
}

/** The places where a process is known, the one that has it first. */
export function placesOf(id: string, found: readonly FoundProcess[]): readonly FoundProcess[] {
  return found
    .filter((each) => each.process.id === id)
    .sort((a, b) => presence[a.process.state] - presence[b.process.state]);
}

/**
 * The process with that id, else the running one with that name, else the only ended one with it.
 * @throws {FlickError} `ambiguous` or `noSuchProcess`
 */
export async function findProcess(
  devices: readonly Device[],
  nameOrId: string,
  signal?: AbortSignal,
): Promise<FoundProcess> {
  const { found, silent } = await surveyProcesses(devices, {
    signal,
    isEnough: (some) => {
      const present = some.filter(isPresent);
      if (present.some((each) => each.process.id === nameOrId)) return 'yes';
      // Another device may have one of the same name.
      return present.some((each) => each.process.name === nameOrId) ? 'nearly' : 'no';
    },
  });
  signal?.throwIfAborted();
  const [byId] = placesOf(nameOrId, found);
  if (byId !== undefined) return byId;
  const ids = new Set(
    found.filter((each) => each.process.name === nameOrId).map((each) => each.process.id),
  );
  const named = [...ids].flatMap((id) => placesOf(id, found).slice(0, 1));
  const present = named.filter(({ process }) => presence[process.state] < presence.exited);
  const candidates = present.length > 0 ? present : named;
  const [only] = candidates;
  if (only !== undefined && candidates.length === 1) return only;
  if (only !== undefined) {
    const list = candidates.map(
      ({ device, process }) => `${process.id} on ${device.name} (${process.state})`,
    );
    throw new FlickError(
      'ambiguous',
      `${String(candidates.length)} processes are named “${nameOrId}”: ${list.join(', ')}.`,
      { remedy: 'Name the process by its id.' },
    );
  }
  throw notFound(nameOrId, devices, silent);
}

function notFound(
  nameOrId: string,
  devices: readonly Device[],
  silent: Survey['silent'],
): FlickError {
  const [first] = devices;
  const where = devices.length === 1 && first !== undefined ? ` on ${first.name}` : '';
  const what = v.is(processId, nameOrId)
    ? `There is no process with the id ${nameOrId}${where}.`
    : `There is no process “${nameOrId}”${where}.`;
  if (silent.length === 0) {
    return new FlickError('noSuchProcess', what, { remedy: 'flick ps lists what there is.' });
  }
  const unasked = silent.map(({ device, error }) => `${device.name} (${messageOf(error)})`);
  return new FlickError('noSuchProcess', `${what} Could not be asked: ${unasked.join('; ')}`, {
    remedy: 'flick ps lists what there is; flick doctor says more about a device.',
  });
}
