import { randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { randomId } from '../state/ids.ts';
import { FlickError, type AgentRequests } from '../../protocol/index.ts';
import type { Handler } from '../../common/rpc.ts';
import { messageOf } from '../../common/rpc.ts';
import type { Services } from './services.ts';

/** Longest part of a log that is sent, in bytes: its end is what matters. */
const maxLogBytes = 512 * 1024;

type DeviceRequests = Pick<
  AgentRequests,
  | 'describeDevice'
  | 'measureLink'
  | 'planSetup'
  | 'applySetup'
  | 'uploadBundle'
  | 'shutdownAgent'
  | 'removeAgent'
  | 'readLog'
>;

export function deviceHandlers(services: Services): {
  readonly [K in keyof DeviceRequests]: Handler<DeviceRequests[K]>;
} {
  return {
    describeDevice: ({ refresh }) => services.describe(refresh === true),
    // Random, since a link may pack what goes over it.
    measureLink: ({ length }) =>
      Promise.resolve({ load: randomBytes(length).toString('base64').slice(0, length) }),
    planSetup: ({ undo, bundleAvailable }) =>
      services.setup.plan({
        ...(undo === undefined ? {} : { undo }),
        ...(bundleAvailable === undefined ? {} : { bundleAvailable }),
      }),
    applySetup: async (params) => {
      const result = await services.setup.apply(params);
      await services.describe(true);
      return result;
    },
    uploadBundle: ({ sha256 }) => {
      const upload = randomId('u', 10);
      const ticket = services.tickets.issue((stream) => {
        const end = (): void => void stream.end();
        services.setup.receive(upload, stream, sha256).then(end, end);
      });
      return Promise.resolve({ ticket, upload });
    },
    shutdownAgent: () => {
      services.shutdown('a client asked for it');
      return Promise.resolve({});
    },
    removeAgent: async ({ force }) => ({
      removed: [...(await services.remove(force === true))],
    }),
    readLog: async ({ path, maxBytes }) =>
      readTail(services, path ?? services.home.log, Math.min(maxBytes ?? maxLogBytes, maxLogBytes)),
  };
}

/** The end of a log below the agent's home; other files are none of a log reader's business. */
async function readTail(
  services: Services,
  path: string,
  maxBytes: number,
): Promise<{ text: string; truncated: boolean }> {
  const full = resolve(path);
  if (!full.startsWith(`${services.home.root}/`) || !full.endsWith('.log')) {
    throw new FlickError('invalidRequest', `${path} is not one of Flick’s logs.`);
  }
  const file = await open(full, 'r').catch((error: unknown) => {
    throw new FlickError('invalidRequest', `The log ${path} cannot be read: ${messageOf(error)}`);
  });
  try {
    const { size } = await file.stat();
    const start = Math.max(0, size - maxBytes);
    const buffer = Buffer.alloc(size - start);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, start);
    return { text: buffer.subarray(0, bytesRead).toString('utf8'), truncated: start > 0 };
  } finally {
    await file.close();
  }
}
