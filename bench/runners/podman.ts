import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  rmdirSync,
} from 'node:fs';
import { execFileSync } from 'node:child_process';
import { basename, dirname, join } from 'node:path';
import { childrenOf, findProcess, killAndWait } from '../../test/lab/processes.ts';
import { provisioned } from '../../test/support/provisioned.ts';
import { output, start, type Command, type Started } from '../commands.ts';
import { deviceNames, other, ports, type DeviceName, type Stage } from '../stage.ts';
import {
  askingScript,
  type Hop,
  type Runner,
  type Subject,
  type WorkloadOptions,
} from './runner.ts';

const image = 'localhost/bench';
const container = 'workload';
/** runc, because crun's checkpoints need a library that it is not built with. */
const podman = ['podman', '--runtime', 'runc', '--cgroup-manager', 'cgroupfs'];
podman.push('--events-backend', 'file');

/** `podman container checkpoint --export`, a copy of the archive, `restore --import`. */
export class PodmanRunner implements Runner {
  readonly name = 'podman';
  readonly #places: ReadonlyMap<DeviceName, Place>;
  /** Where the containers' cgroups are, in every hierarchy. */
  readonly #cgroup: string;

  private constructor(places: ReadonlyMap<DeviceName, Place>, cgroup: string) {
    this.#places = places;
    this.#cgroup = cgroup;
  }

  /** @throws {Error} where there is no Podman on this machine */
  static async up(stage: Stage): Promise<PodmanRunner> {
    if (!existsSync(provisioned.podman)) throw new Error('podman could not be had on this machine');
    const places = new Map<DeviceName, Place>();
    try {
      for (const device of deviceNames) places.set(device, await Place.up(stage, device));
      const [first, ...others] = [...places.values()];
      await first?.makeImage(others);
      return new PodmanRunner(places, `flick-${basename(stage.folder)}`);
    } catch (error) {
      for (const place of places.values()) await place.down();
      throw error;
    }
  }

  async launch({ sizeMb, percentPerSecond }: WorkloadOptions): Promise<Subject> {
    const place = this.#place('alpha');
    const words = [ports.workload, sizeMb, percentPerSecond].map(String);
    await place.podman([
      ...['run', '--detach', '--name', container, '--network', 'none'],
      ...['--security-opt', 'seccomp=unconfined', '--cgroup-parent', `/${this.#cgroup}`, image],
      ...['node', '/workload.cjs', ...words],
    ]);
    return new PodmanSubject((device) => this.#place(device));
  }

  async close(): Promise<void> {
    for (const place of this.#places.values()) await place.down();
    for (const mount of cgroupMounts()) {
      removeCgroup(join(mount, this.#cgroup));
      // Of the containers' monitors; in use where somebody else runs containers on this machine.
      removeCgroup(join(mount, 'libpod_parent'));
    }
  }

  #place(device: DeviceName): Place {
    const place = this.#places.get(device);
    if (place === undefined) throw new Error(`There is no Podman on ${device}`);
    return place;
  }
}

/** Where cgroup hierarchies are mounted, of both versions. */
function cgroupMounts(): string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return mounts.flatMap((line) => (/ - cgroup2? /.test(line) ? (line.split(' ')[4] ?? []) : []));
}

/** Removes a cgroup and those below it, as far as there are no processes in them. */
function removeCgroup(cgroup: string): void {
  if (!existsSync(cgroup)) return;
  for (const entry of readdirSync(cgroup, { withFileTypes: true })) {
    if (entry.isDirectory()) removeCgroup(join(cgroup, entry.name));
  }
  try {
    rmdirSync(cgroup);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EBUSY')) throw error;
  }
}

class PodmanSubject implements Subject {
  device: DeviceName = 'alpha';
  readonly #place: (device: DeviceName) => Place;

  constructor(place: (device: DeviceName) => Place) {
    this.#place = place;
  }

  async ask(command: string): Promise<string> {
    const place = this.#place(this.device);
    const pid = await place.podman(['inspect', '--format', '{{.State.Pid}}', container]);
    const inNetwork = (argv: readonly string[]): Promise<string> =>
      output(place.inside(['nsenter', '-t', pid.trim(), '-n', '--', ...argv]));
    // A restored container without a network has its loopback interface down.
    await inNetwork(['ip', 'link', 'set', 'lo', 'up']);
    return inNetwork([...askingScript(ports.workload), command]);
  }

  async move(): Promise<Hop> {
    const source = this.#place(this.device);
    const target = this.#place(other(this.device));
    const copy = await source.prepareSending(target);
    const startedAt = Date.now();
    await source.podman([
      'container',
      'checkpoint',
      '--export',
      '/share/capsule.tar.zst',
      container,
    ]);
    const copyFrom = Date.now();
    await copy();
    const restoreFrom = Date.now();
    await target.podman(['container', 'restore', '--import', '/share/capsule.tar.zst']);
    const endedAt = Date.now();
    this.device = other(this.device);
    await source.clear();
    const parts = {
      checkpointMs: copyFrom - startedAt,
      copyMs: restoreFrom - copyFrom,
      restoreMs: endedAt - restoreFrom,
    };
    return { startedAt, endedAt, toolMs: parts.checkpointMs + parts.restoreMs, parts };
  }

  async end(): Promise<void> {
    for (const device of deviceNames) await this.#place(device).clear();
  }
}

/** A Podman with its own storage, for one device. */
class Place {
  readonly #stage: Stage;
  readonly #device: DeviceName;
  readonly #share: string;
  readonly #root: Started;

  private constructor(stage: Stage, device: DeviceName, state: string, root: Started) {
    this.#stage = stage;
    this.#device = device;
    this.#share = join(state, 'share');
    this.#root = root;
  }

  static async up(stage: Stage, device: DeviceName): Promise<Place> {
    const state = join(stage.folder, `podman-${device}`);
    const script = join(import.meta.dirname, '..', 'podmanRoot.sh');
    const folder = realpathSync(dirname(dirname(dirname(provisioned.podman))));
    const root = start({ argv: ['bash', script, folder, state] });
    await root.line();
    return new Place(stage, device, state, root);
  }

  /** Ends it and every process in it. */
  async down(): Promise<void> {
    await this.clear().catch(() => undefined);
    const init = findProcess(this.#init());
    if (init !== undefined) await killAndWait([init]);
    await this.#root.ended.catch(() => undefined);
  }

  /** A command inside. */
  inside(argv: readonly string[]): Command {
    const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', LANG: 'C.UTF-8' };
    return {
      argv: ['nsenter', '-t', String(this.#init()), '-m', '-p', '--', ...argv],
      env: { ...env, PODMAN_IGNORE_CGROUPSV1_WARNING: '1' },
    };
  }

  podman(args: readonly string[]): Promise<string> {
    return output(this.inside([...podman, ...args]));
  }

  /** @returns what sends the content of the shared folder over the link */
  async prepareSending(target: Place): Promise<() => Promise<void>> {
    const copy = await this.#stage.prepareCopy(this.#device, target.#share);
    return () => copy(this.#share);
  }

  /** Removes the container and what was exported. */
  async clear(): Promise<void> {
    await this.podman(['rm', '--force', '--all', '--time', '0']);
    rmSync(join(this.#share, 'capsule.tar.zst'), { force: true });
  }

  /**
   * Makes an image with this Node.js, its libraries and the workload, and gives it to other places:
   * a container is restored from an image with the same id.
   */
  async makeImage(others: readonly Place[]): Promise<void> {
    const content = join(this.#share, 'image');
    const node = realpathSync(process.execPath);
    const libraries = execFileSync('ldd', [node], { encoding: 'utf8' }).match(/\/\S+/g) ?? [];
    const put = (from: string, to: string): void => {
      mkdirSync(join(content, dirname(to)), { recursive: true });
      cpSync(from, join(content, to), { dereference: true });
    };
    put(node, '/usr/bin/node');
    for (const library of libraries) put(library, library);
    put(join(import.meta.dirname, '..', 'workload.cjs'), '/workload.cjs');
    for (const name of ['proc', 'sys', 'dev', 'tmp']) mkdirSync(join(content, name));
    await output({ argv: ['tar', '-C', content, '-cf', join(this.#share, 'image.tar'), '.'] });
    await this.podman(['import', '--quiet', '/share/image.tar', image]);
    for (const name of ['image', 'image.tar']) rmSync(join(this.#share, name), { recursive: true });
    await this.podman(['save', '--quiet', '--output', '/share/saved.tar', image]);
    for (const place of others) {
      cpSync(join(this.#share, 'saved.tar'), join(place.#share, 'saved.tar'));
      await place.podman(['load', '--quiet', '--input', '/share/saved.tar']);
    }
    for (const place of [this, ...others]) rmSync(join(place.#share, 'saved.tar'));
  }

  #init(): number {
    const init = childrenOf(this.#root.child.pid ?? 0)[0];
    if (init === undefined) throw new Error(`Podman's root on ${this.#device} has ended`);
    return init;
  }
}
