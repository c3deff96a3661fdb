import type { Device } from '../../client/device.ts';
import { readLog } from '../../protocol/index.ts';
import { l10n } from '../l10n.ts';
import type { MadeDocuments } from './madeDocuments.ts';

const maxLogBytes = 1 << 20;

/** Opens logs that devices keep. */
export class LogDocuments {
  readonly #documents: MadeDocuments;

  constructor(documents: MadeDocuments) {
    this.#documents = documents;
  }

  /** The agent's own log without a `path`, else the one at `path` on the device. */
  async open(device: Device, path?: string): Promise<void> {
    const { text, truncated } = await device.request(readLog, {
      maxBytes: maxLogBytes,
      ...(path === undefined ? {} : { path }),
    });
    const name = path?.split('/').at(-1) ?? l10n.t('agent.log');
    const head = truncated ? `${l10n.t('[The beginning is left out.]')}\n` : '';
    await this.#documents.show(`${device.name}/${name}`, head + text);
  }
}
