import { CdpEndpoint } from '../../client/cdpEndpoint.ts';
import { DebugLink } from '../../client/debugLink.ts';
import type { Device } from '../../client/device.ts';
import type { Fleet } from '../../client/fleet.ts';
import type { Disposable } from '../../common/disposable.ts';
import type { ProcessInfo } from '../../protocol/index.ts';

/** CDP endpoints for other debuggers: one for each process that somebody asked for, until it ends or the window closes. */
export class DebugUrls implements Disposable {
  readonly #fleet: Fleet;
  readonly #endpoints = new Map<string, Promise<CdpEndpoint>>();

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
  }

  /** The same address however often it is asked for. */
  async urlOf(device: Device, { id, name }: ProcessInfo): Promise<string> {
    let opening = this.#endpoints.get(id);
    if (opening === undefined) {
      opening = CdpEndpoint.open({
        title: name,
        link: () => new DebugLink(this.#fleet, device, id, undefined),
      });
      this.#endpoints.set(id, opening);
    }
    const endpoint = await opening;
    endpoint.onDidEnd(() => {
      this.#endpoints.delete(id);
      endpoint.dispose();
    });
    return endpoint.url;
  }

  dispose(): void {
    for (const each of this.#endpoints.values()) void each.then((endpoint) => endpoint.dispose());
    this.#endpoints.clear();
  }
}
