import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Lab } from '../test/lab/lab.ts';
import { FlickCommand } from '../test/support/flick.ts';
import { provisioned, root } from '../test/support/provisioned.ts';
import { temporaryFolder } from '../test/support/temporary.ts';
import { output, start, type Command } from './commands.ts';
import type { Link } from './plan.ts';

export const deviceNames = ['alpha', 'beta'] as const;
export type DeviceName = (typeof deviceNames)[number];

export const other = (device: DeviceName): DeviceName => (device === 'alpha' ? 'beta' : 'alpha');

/** Ports on the devices. */
export const ports = { workload: 8700, copy: 8701, pages: 8702 } as const;

/** Where a device keeps the benchmark's programs and, on a real file system, what it dumps. */
export const onDevice = { programs: '/srv/bench', data: '/var/lib/flick-lab/bench' } as const;

const programs = ['workload.cjs', 'criuCell.sh'];

/** Two test devices with a link between them, and what all runners need on them. */
export class Stage {
  /** A folder on a real file system of this machine, with room for images. */
  readonly folder: string;
  readonly flick: FlickCommand;
  readonly #lab: Lab;
  readonly #remove: () => void;

  private constructor(lab: Lab, flick: FlickCommand, folder: string, remove: () => void) {
    this.#lab = lab;
    this.flick = flick;
    this.folder = folder;
    this.#remove = remove;
  }

  /** @throws {Error} where this machine cannot make devices, or lacks CRIU or the build */
  static async up(): Promise<Stage> {
    if (!existsSync(provisioned.criu))
      throw new Error('There is no CRIU that works on this machine');
    if (!existsSync(join(root, 'dist', 'cli.cjs'))) throw new Error('dist/cli.cjs was not built');
    const home = temporaryFolder();
    mkdirSync(join(root, '.cache'), { recursive: true });
    const folder = mkdtempSync(join(root, '.cache', 'bench-'));
    const remove = (): void => {
      home.remove();
      rmSync(folder, { recursive: true, force: true });
    };
    const flickHome = join(home.path, 'flick');
    const places = { flickHome, labHome: join(folder, 'lab') };
    try {
      const lab = await Lab.up(deviceNames, places);
      const stage = new Stage(lab, new FlickCommand(flickHome), folder, remove);
      for (const device of deviceNames) await stage.#prepare(device);
      return stage;
    } catch (error) {
      await Lab.down(places);
      remove();
      throw error;
    }
  }

  async down(): Promise<void> {
    await this.#lab.down();
    this.#remove();
  }

  async setLink(link: Link): Promise<void> {
    for (const device of deviceNames) await this.#lab.rate(device, link === 'full' ? 'off' : link);
  }

  address(device: DeviceName): string {
    return this.#lab.device(device).address;
  }

  /** A command that runs on a device. */
  on(device: DeviceName, argv: readonly string[]): Command {
    return this.#lab.command(device, argv);
  }

  /** A command of this machine, with its files, in the network of a device. */
  inNetwork(device: DeviceName, argv: readonly string[]): Command {
    return { argv: ['nsenter', '-t', String(this.#init(device)), '-n', '--', ...argv] };
  }

  /** What has gone over a device's link so far, both directions, in bytes. */
  wireBytes(device: DeviceName): number {
    const text = readFileSync(`/proc/${String(this.#init(device))}/net/dev`, 'utf8');
    // Received bytes come first, transmitted ones ninth: Linux Documentation/filesystems/proc.rst.
    const counts = /^\s*eth0:\s*(.*)$/m.exec(text)?.[1]?.split(/\s+/) ?? [];
    return Number(counts[0]) + Number(counts[8]);
  }

  /** An empty folder for images on a device, and the path by which this machine sees it. */
  freshFolder(device: DeviceName, name: string): { inside: string; outside: string } {
    const outside = join(this.folder, 'lab', device, 'data', 'bench', name);
    rmSync(outside, { recursive: true, force: true });
    mkdirSync(outside, { recursive: true });
    return { inside: join(onDevice.data, name), outside };
  }

  /**
   * Makes the other device ready to receive a folder.
   * @param target where it goes, as this machine sees it
   * @returns what copies the content of a folder, as this machine sees it, over the link
   */
  async prepareCopy(from: DeviceName, target: string): Promise<(source: string) => Promise<void>> {
    const to = other(from);
    const script = join(import.meta.dirname, 'receive.cjs');
    const port = String(ports.copy);
    const receiver = start(this.inNetwork(to, [process.execPath, script, port, target]));
    await receiver.line();
    return async (source) => {
      const send = 'exec tar -C "$1" -c . >"/dev/tcp/$2/$3"';
      const sender = ['bash', '-c', send, 'send', source, this.address(to), port];
      await Promise.all([output(this.inNetwork(from, sender)), receiver.ended]);
    };
  }

  async #prepare(device: DeviceName): Promise<void> {
    const outside = join(this.folder, 'lab', device, 'data', 'bench', 'programs');
    mkdirSync(outside, { recursive: true });
    for (const name of programs) copyFileSync(join(import.meta.dirname, name), join(outside, name));
    const inside = join(onDevice.data, 'programs');
    await output(this.on(device, ['cp', '-r', inside, onDevice.programs]));
  }

  #init(device: DeviceName): number {
    const { pid } = this.#lab.device(device);
    if (pid === undefined) throw new Error(`The device ${device} is off`);
    return pid;
  }
}
