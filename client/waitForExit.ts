import { setTimeout as delay } from 'node:timers/promises';
import { DisposableStore } from '../common/disposable.ts';
import { FlickError, waitProcess, type ExitStatus } from '../protocol/index.ts';
import type { Device } from './device.ts';
import type { Fleet } from './fleet.ts';
import type { FoundProcess } from './processSearch.ts';

/** How long a process may be nowhere while it passes from one device to another, in ms. */
const nowhereTimeout = 10_000;
const askAgain = 1_000;

/**
 * Waits until a process ends, wherever it goes in the meantime.
 * @throws {FlickError} `noSuchProcess` when it is gone without having left an exit status
 */
export async function waitForExit(
  fleet: Fleet,
  found: FoundProcess,
  signal?: AbortSignal,
): Promise<ExitStatus> {
  const { id } = found.process;
  let place: Device | undefined = found.device;
  let missingSince: number | undefined;
  for (;;) {
    signal?.throwIfAborted();
    if (place !== undefined) {
      const exit = await waitThere(place, id, signal);
      if (exit !== undefined) return exit;
      await delay(50);
    }
    try {
      place = (await fleet.findProcess(id, { signal })).device;
      missingSince = undefined;
    } catch (error) {
      if (!(error instanceof FlickError) || error.reason !== 'noSuchProcess') throw error;
      missingSince ??= Date.now();
      const away = fleet.devices.some(
        ({ state }) => state.kind !== 'connected' && state.kind !== 'failed',
      );
      if (!away && Date.now() - missingSince > nowhereTimeout) throw error;
      place = undefined;
      await delay(askAgain);
    }
  }
}

/** @returns undefined when the process has left the device, or the device is out of reach */
async function waitThere(
  device: Device,
  id: string,
  signal: AbortSignal | undefined,
): Promise<ExitStatus | undefined> {
  const store = new DisposableStore();
  const left = new AbortController();
  const stop = (): void => left.abort();
  signal?.addEventListener('abort', stop, { once: true });
  store.add({ dispose: () => signal?.removeEventListener('abort', stop) });
  try {
    await device.connect();
    let seen = false;
    store.add(
      device.onDidChangeProcesses(() => {
        const here = device.processes.some((each) => each.id === id);
        // An agent need not answer for a process that has gone on to another device.
        if (seen && !here) left.abort();
        seen ||= here;
      }),
    );
    store.add(device.watch({ metrics: false }));
    return await device.request(waitProcess, { id }, left.signal);
  } catch (error) {
    signal?.throwIfAborted();
    // A process in a state that cannot be waited for (lost) says why.
    if (error instanceof FlickError && error.reason === 'processGone') throw error;
    return undefined;
  } finally {
    store.dispose();
  }
}
