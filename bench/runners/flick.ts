import { setTimeout as sleep } from 'node:timers/promises';
import type { Listed, Moved, Ran } from '../../test/support/flick.ts';
import { output } from '../commands.ts';
import { deviceNames, onDevice, other, ports, type DeviceName, type Stage } from '../stage.ts';
import {
  askingScript,
  type Hop,
  type Runner,
  type Subject,
  type WorkloadOptions,
} from './runner.ts';

/** Flick, by its command line, as somebody uses it who has both devices in the list. */
export class FlickRunner implements Runner {
  readonly name = 'flick';
  readonly #stage: Stage;

  private constructor(stage: Stage) {
    this.#stage = stage;
  }

  /** Has a process on both devices once, so that they get the agent now and not within a move. */
  static async up(stage: Stage): Promise<FlickRunner> {
    for (const device of deviceNames) {
      const { id } = await stage.flick.json<Listed>([
        'run',
        '--detach',
        '--on',
        device,
        '--',
        'true',
      ]);
      await stage.flick.run(['wait', id]);
      await stage.flick.run(['forget', id]);
    }
    return new FlickRunner(stage);
  }

  async launch({ sizeMb, percentPerSecond }: WorkloadOptions): Promise<Subject> {
    const program = `${onDevice.programs}/workload.cjs`;
    const words = [ports.workload, sizeMb, percentPerSecond].map(String);
    const { id } = await this.#stage.flick.json<Listed>([
      ...['run', '--detach', '--on', 'alpha', '--name', 'workload'],
      ...['--', 'node', program, ...words],
    ]);
    return new FlickSubject(this.#stage, id);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

class FlickSubject implements Subject {
  device: DeviceName = 'alpha';
  readonly #stage: Stage;
  readonly #id: string;

  constructor(stage: Stage, id: string) {
    this.#stage = stage;
    this.#id = id;
  }

  ask(command: string): Promise<string> {
    return output(this.#stage.on(this.device, [...askingScript(ports.workload), command]));
  }

  async move(limitMs: number): Promise<Hop> {
    const startedAt = Date.now();
    const target = other(this.device);
    const { flick } = this.#stage;
    const ran = await flick.run(['move', this.#id, target, '--json'], { timeoutMs: limitMs });
    const returnedAt = Date.now();
    if (ran.code !== 0) throw new Error(`flick move ended with ${String(ran.code)}: ${told(ran)}`);
    this.device = target;
    const moved = JSON.parse(ran.stdout) as Moved;
    const lastPageAt = await this.#lastPage();
    return {
      startedAt,
      endedAt: Math.max(returnedAt, lastPageAt),
      parts: {
        ...Object.fromEntries(moved.steps.map(({ name, ms }) => [name, ms])),
        downtimeMs: moved.downtimeMs,
        totalMs: moved.totalMs,
        bytesSent: moved.bytesSent,
      },
    };
  }

  async end(): Promise<void> {
    const { flick } = this.#stage;
    await flick.run(['kill', this.#id, '--signal', 'KILL']);
    await flick.run(['wait', this.#id]);
    await flick.run(['forget', this.#id]);
  }

  /**
   * Waits while pages are still to come, whoever brings them: the kernel marks a mapping whose
   * missing pages somebody is asked for with "um" (Linux Documentation/filesystems/proc.rst).
   * @returns when they were last seen missing, ms since the epoch; 0 where they never were
   */
  async #lastPage(): Promise<number> {
    const script =
      'for pid in $(pgrep -f "$1"); do grep -q "^VmFlags:.* um" "/proc/$pid/smaps" && echo missing; done; :';
    const looking = ['bash', '-c', script, 'look', `${onDevice.programs}/workload.cjs`];
    let seenAt = 0;
    while ((await output(this.#stage.on(this.device, looking))).includes('missing')) {
      seenAt = Date.now();
      await sleep(100);
    }
    return seenAt;
  }
}

/** What a command said at its end; before that it tells how far it got. */
function told({ stdout, stderr }: Ran): string {
  return `${stderr}${stdout}`.trim().slice(-250);
}
