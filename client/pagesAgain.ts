import type { Logger } from '../common/logger.ts';
import { FlickError, fetchMissing, serveMemory } from '../protocol/index.ts';
import type { Device } from './device.ts';
import { bringTogether, type Passage } from './passage.ts';

/**
 * Brings two agents together again of which one runs a process and the other has memory that it lacks.
 * @returns what is to be kept until the two have parted; undefined where nothing is missing any more
 * @throws {FlickError} when an agent cannot be asked, or nobody can listen
 */
export async function bringPagesAgain(
  handoff: string,
  source: Device,
  target: Device,
  logger: Logger,
): Promise<Passage | undefined> {
  let offers;
  try {
    offers = [
      await target.request(fetchMissing, { handoff }),
      await source.request(serveMemory, { handoff }),
    ] as const;
  } catch (error) {
    if (error instanceof FlickError && error.reason === 'invalidRequest') return undefined;
    throw error;
  }
  const [arriving, leaving] = offers;
  if (arriving.link === undefined || leaving.link === undefined) {
    throw new FlickError('notSupported', 'One of the devices cannot listen for the other one.');
  }
  logger.log('info', 'memory goes on to follow', { handoff, from: source.name, to: target.name });
  return bringTogether({
    handoff,
    source: { device: source, offer: leaving.link },
    target: { device: target, offer: arriving.link },
    logger,
  });
}
