import type { RunnerName } from '../plan.ts';
import type { Stage } from '../stage.ts';
import { CriuRunner } from './criu.ts';
import { FlickRunner } from './flick.ts';
import { PodmanRunner } from './podman.ts';
import type { Runner } from './runner.ts';

/** The runners, each set up when it is first needed. */
export class Runners {
  readonly #stage: Stage;
  readonly #made = new Map<RunnerName, Runner>();

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  async get(name: RunnerName): Promise<Runner> {
    const known = this.#made.get(name);
    if (known !== undefined) return known;
    const made = await this.#make(name);
    this.#made.set(name, made);
    return made;
  }

  /** Ends what they keep running; what is moved at that moment fails. */
  async close(): Promise<void> {
    const made = [...this.#made.values()];
    this.#made.clear();
    for (const runner of made) await runner.close();
  }

  #make(name: RunnerName): Promise<Runner> {
    switch (name) {
      case 'flick':
        return FlickRunner.up(this.#stage);
      case 'criu':
      case 'criuLazy':
        return Promise.resolve(new CriuRunner(this.#stage, name));
      case 'podman':
        return PodmanRunner.up(this.#stage);
    }
  }
}
