import type { DebugHost, FoundDebuggee, LaunchRequest } from '../common/debuggee.ts';
import { launchProcess, signalProcess } from '../protocol/index.ts';
import { DebugLink } from './debugLink.ts';
import type { Device } from './device.ts';
import type { Fleet } from './fleet.ts';

/** What a debug adapter needs of the world around it: the fleet, in its words. */
export class FleetDebugHost implements DebugHost {
  readonly #fleet: Fleet;
  /** Where processes that were launched or found here were seen. */
  readonly #seen = new Map<string, Device>();

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
  }

  /** @throws {FlickError} why it could not be started */
  async launch(request: LaunchRequest): Promise<FoundDebuggee> {
    const device =
      request.device === undefined ? this.#fleet.local : this.#fleet.device(request.device);
    await device.connect();
    const { process } = await device.request(launchProcess, {
      command: [...request.command],
      env: { ...request.env },
      debug: { wait: request.wait },
      ...(request.cwd === undefined ? {} : { cwd: request.cwd }),
      ...(request.name === undefined ? {} : { name: request.name }),
    });
    this.#seen.set(process.id, device);
    return { id: process.id, name: process.name };
  }

  /** @throws {FlickError} `noSuchProcess`, `ambiguous` */
  async find(nameOrId: string, device: string | undefined): Promise<FoundDebuggee> {
    const on = device === undefined ? undefined : this.#fleet.device(device);
    const found = await this.#fleet.findProcess(nameOrId, { on });
    this.#seen.set(found.process.id, found.device);
    return { id: found.process.id, name: found.process.name };
  }

  /** @param id of a process that was launched or found through this host */
  link(id: string, innerPid: number | undefined): DebugLink {
    return new DebugLink(this.#fleet, this.#seen.get(id) ?? this.#fleet.local, id, innerPid);
  }

  /** @throws {FlickError} `processGone`, `linkLost` */
  async signal(id: string, signal: string): Promise<void> {
    const { device } = await this.#fleet.findProcess(id);
    await device.request(signalProcess, { id, signal });
  }
}
