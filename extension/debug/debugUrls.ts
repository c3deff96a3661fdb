import { CdpEndpoint } from '../../client/cdpEndpoint.ts';
import { DebugLink } from '../../client/debugLink.ts';
import type { Device } from '../../client/device.ts';
import type { Fleet } from '../../client/fleet.ts';
import { waitForExit } from '../../client/waitForExit.ts';
import type { Disposable } from '../../common/disposable.ts';
import type { ProcessInfo } from '../../protocol/index.ts';

/** CDP endpoints for other debuggers: one for each process that somebody asked for, until it ends or the window closes. */
export class DebugUrls implements Disposable {
  readonly #fleet: Fleet;
  readonly #stop = new AbortController();
  readonly #endpoints = new Map<string, Promise<CdpEndpoint>>();

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
  }

  /** The same address however often it is asked for. */
  async urlOf(device: Device, process: ProcessInfo): Promise<string> {
    const { id } = process;
    let opening = this.#endpoints.get(id);
    if (opening === undefined) {
      opening = this.#open(device, process);
      this.#endpoints.set(id, opening);
    }
    return (await opening).url;
  }

  dispose(): void {
    this.#stop.abort();
    for (const each of this.#endpoints.values()) void each.then((endpoint) => endpoint.close());
    this.#endpoints.clear();
  }

  async #open(device: Device, process: ProcessInfo): Promise<CdpEndpoint> {
    const { id, name } = process;
    const endpoint = await CdpEndpoint.open({
      title: name,
      link: () => new DebugLink(this.#fleet, device, id, undefined),
    });
    const close = (): void => {
      this.#endpoints.delete(id);
      void endpoint.close();
    };
    endpoint.onDidRefuse(close);
    waitForExit(this.#fleet, { device, process }, this.#stop.signal).then(close, close);
    return endpoint;
  }
}
