import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { CommandResult } from './commands.ts';
import { mustRun, run } from './commands.ts';
import { bootDevice, commandInside, cutPower, deviceFolder } from './device.ts';
import type { DeviceUser } from './layer.ts';
import { makeDeviceFolder, renewBootId, usersOf } from './layer.ts';
import * as network from './network.ts';
import { isAlive, killAndWait, processesWithArgument } from './processes.ts';
import { register, unregister } from './registry.ts';
import type { DeviceState, LabOptions, LabPlaces, LabState } from './state.ts';
import { placesOf, readState, withLock, writeState } from './state.ts';

/** A device as tests and `lab up --json` see it. */
export interface LabDevice {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** As in known_hosts: type and key. */
  readonly hostKey: string;
  /** The device's PID 1 as this machine sees it; undefined after a power cut. */
  readonly pid: number | undefined;
  readonly users: readonly DeviceUser[];
}

export interface ExecOptions {
  readonly user?: 'root' | 'dev';
  readonly input?: string | Buffer;
}

/**
 * A set of test devices made out of namespaces. All that is known of it is in its folder, so that
 * other processes can go on with it, and so that what a crashed one left is found and removed.
 */
export class Lab {
  readonly #places: LabPlaces;

  private constructor(places: LabPlaces) {
    this.#places = places;
  }

  /**
   * Starts devices, those that are not yet on, and registers them in the Flick home.
   * @throws {Error} where this machine cannot make them (not root, no sshd, …)
   */
  static async up(names: readonly string[], options: LabOptions = {}): Promise<Lab> {
    for (const name of names) {
      if (!/^[a-z][a-z0-9-]{0,30}$/.test(name)) throw new RangeError(`${name} is no host name`);
    }
    if (process.getuid?.() !== 0) throw new Error('Only root can make test devices');
    const lab = new Lab(placesOf(options));
    await withLock(lab.#places, () => lab.#up(names));
    return lab;
  }

  /** A lab that is up. @throws {Error} where there is none */
  static open(options: LabOptions = {}): Lab {
    const lab = new Lab(placesOf(options));
    lab.#state();
    return lab;
  }

  /** Removes a lab and what a crashed one left; does nothing where there is none. */
  static async down(options: LabOptions = {}): Promise<void> {
    await new Lab(placesOf(options)).down();
  }

  get flickHome(): string {
    return this.#state().flickHome;
  }

  /** The private key that logs in everywhere in this lab. */
  get identity(): string {
    return join(this.#places.folder, 'identity');
  }

  get devices(): readonly LabDevice[] {
    return this.#state().devices.map((device) => ({
      name: device.name,
      address: device.address,
      port: 22,
      hostKey: device.hostKey,
      pid: isAlive(device.init) ? device.init.pid : undefined,
      users: usersOf(device),
    }));
  }

  /** @throws {Error} where there is no such device */
  device(name: string): LabDevice {
    const device = this.devices.find((candidate) => candidate.name === name);
    if (device === undefined) throw new Error(`There is no device ${name} in this lab`);
    return device;
  }

  /** Runs a command inside a device, as root where no user is given, to its end. */
  exec(name: string, argv: readonly string[], options: ExecOptions = {}): Promise<CommandResult> {
    const inside = this.command(name, argv, options.user);
    const { input } = options;
    return run(inside.argv, { env: inside.env, ...(input === undefined ? {} : { input }) });
  }

  /** What to spawn to run a command inside a device with streams of one's own. */
  command(
    name: string,
    argv: readonly string[],
    user?: 'root' | 'dev',
  ): { argv: string[]; env: Record<string, string> } {
    return commandInside(this.#device(this.#state(), name), argv, user);
  }

  /** Cuts a device's power; its files stay. */
  kill(name: string): Promise<void> {
    return this.#change(name, (device) => cutPower(this.#places, device));
  }

  /** Boots a device after {@link kill}; with another boot id, at the same address. */
  boot(name: string): Promise<void> {
    return this.#change(name, (device) => this.#boot(device));
  }

  /** Limits a device's link each way: `384kbit`, `10mbit`, or `off`. */
  async rate(name: string, rate: string): Promise<void> {
    if (rate !== 'off') network.bitsPerSecond(rate);
    await this.#change(name, async ({ rate: _old, ...device }) => {
      const changed: DeviceState = rate === 'off' ? device : { ...device, rate };
      if (isAlive(device.init)) {
        const { pid } = device.init;
        await network.setRate(this.#places.id, device.index, pid, changed.rate);
      }
      return changed;
    });
  }

  /** Pulls a device's cable: nothing reaches it any more, and nobody is told. A boot plugs it in again. */
  async cut(name: string): Promise<void> {
    await network.cut(this.#places.id, this.#device(this.#state(), name).index);
  }

  /** Takes {@link cut} back. */
  async mend(name: string): Promise<void> {
    await network.mend(this.#places.id, this.#device(this.#state(), name).index);
  }

  /**
   * Holds each packet to and from a device up: `50ms` (a round trip takes 100 ms more), or `off`.
   * @param copies how often each packet arrives
   */
  async delay(name: string, delay: string, copies = 1): Promise<void> {
    const delayMs = delay === 'off' ? 0 : network.parseDelay(delay);
    await this.#change(name, async ({ delayMs: _old, relay, ...device }) => {
      const { id } = this.#places;
      if (isAlive(relay)) await killAndWait([relay]);
      await network.removeDelay(id, device.index);
      if (delayMs === 0) return device;
      if (!isAlive(device.init)) return { ...device, delayMs };
      const mark = deviceFolder(this.#places, name);
      return {
        ...device,
        delayMs,
        relay: await network.insertDelay(id, device.index, { delayMs, copies, mark }),
      };
    });
  }

  /** Ends the lab: no process, namespace, interface, cgroup, mount or file of it is left. */
  async down(): Promise<void> {
    const places = this.#places;
    await withLock(places, async () => {
      const state = readState(places);
      for (const device of state?.devices ?? []) await cutPower(places, device);
      await network.removeLinks(places.id);
      if (state !== undefined) unregister({ ...places, flickHome: state.flickHome }, state);
      rmSync(places.folder, { recursive: true, force: true });
    });
  }

  async #up(names: readonly string[]): Promise<void> {
    const places = this.#places;
    let state = readState(places) ?? (await this.#begin());
    if (!(await network.linkExists(network.linkNames.bridge(places.id)))) {
      // The machine was restarted, or somebody removed the bridge.
      await network.removeLinks(places.id);
      await network.makeBridge(places.id, state.network);
    }
    for (const name of names) {
      const known = state.devices.find((device) => device.name === name);
      if (isAlive(known?.init)) continue;
      const device = known ?? (await this.#make(state, name));
      state = withDevice(state, device);
      writeState(places, state);
      state = withDevice(state, await this.#boot(device));
      writeState(places, state);
    }
    await this.#nameHosts(state);
    register(places, state, this.identity);
  }

  /** Begins a lab in an empty folder. */
  async #begin(): Promise<LabState> {
    const { folder, flickHome, id } = this.#places;
    await this.#endLeftovers();
    await network.removeLinks(id);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    // Not to be searched from outside: the layers hold what set-user-id programs were made in them.
    chmodSync(folder, 0o700);
    const comment = ['-C', 'flick-lab', '-f', this.identity];
    await mustRun(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', ...comment]);
    const state: LabState = {
      version: 1,
      flickHome,
      network: await network.chooseNetwork(id),
      devices: [],
    };
    writeState(this.#places, state);
    return state;
  }

  /** Ends the devices of a crashed lab whose state is gone: their folders' names are all there is. */
  async #endLeftovers(): Promise<void> {
    const { folder } = this.#places;
    if (!existsSync(folder)) return;
    const folders = readdirSync(folder).map((name) => join(folder, name));
    await killAndWait(folders.flatMap((path) => processesWithArgument(path)));
  }

  async #make(state: LabState, name: string): Promise<DeviceState> {
    const taken = new Set(state.devices.map(({ index }) => index));
    let index = 1;
    while (taken.has(index)) index += 1;
    const folder = deviceFolder(this.#places, name);
    const publicKey = readFileSync(`${this.identity}.pub`, 'utf8');
    const hostKey = await makeDeviceFolder(folder, { name, index }, publicKey);
    return { name, index, address: `${state.network}.${String(10 + index)}`, hostKey };
  }

  async #boot(device: DeviceState): Promise<DeviceState> {
    if (isAlive(device.init)) return device;
    const off = await cutPower(this.#places, device);
    renewBootId(deviceFolder(this.#places, device.name));
    try {
      return await bootDevice(this.#places, off);
    } catch (error) {
      await cutPower(this.#places, off);
      throw error;
    }
  }

  /** Tells every device the names of all. */
  async #nameHosts(state: LabState): Promise<void> {
    const others = state.devices.map(({ address, name }) => `${address} ${name}\n`).join('');
    for (const device of state.devices.filter(({ init }) => isAlive(init))) {
      const inside = commandInside(device, ['tee', '/etc/hosts']);
      const input = `127.0.0.1 localhost\n${others}`;
      await mustRun(inside.argv, { env: inside.env, input });
    }
  }

  #change(name: string, work: (device: DeviceState) => Promise<DeviceState>): Promise<void> {
    return withLock(this.#places, async () => {
      const state = this.#state();
      writeState(this.#places, withDevice(state, await work(this.#device(state, name))));
    });
  }

  #state(): LabState {
    const state = readState(this.#places);
    if (state === undefined) throw new Error('There is no lab: start one with `lab up`');
    return state;
  }

  #device(state: LabState, name: string): DeviceState {
    const device = state.devices.find((candidate) => candidate.name === name);
    if (device === undefined) throw new Error(`There is no device ${name} in this lab`);
    return device;
  }
}

function withDevice(state: LabState, device: DeviceState): LabState {
  const others = state.devices.filter(({ name }) => name !== device.name);
  const devices = [...others, device].sort((one, other) => one.index - other.index);
  return { ...state, devices };
}
