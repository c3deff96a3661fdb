import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Ran } from '../../support/flick.ts';
import {
  forgetProcess,
  launchProcess,
  signalProcess,
  waitProcess,
} from '../../../protocol/index.ts';
import type { RpcPeer } from '../../../common/rpc.ts';
import { askAgent } from './askAgent.ts';
import { agentOn, isRebuilt, pathOn, processesOn, type Seen } from '../deviceView.ts';
import { eventually, LabFixture } from '../labFixture.ts';
import type { UnderWay } from '../underWay.ts';

export type Place = 'alpha' | 'beta';
export const places: readonly Place[] = ['alpha', 'beta'];

const sequence = '/opt/sequence.py';
const portableSequence = '/opt/sequence.cjs';
const witness = '/opt/witness.py';
const stopper = '/opt/stopAtLine.cjs';
/** On the device's disk, so that they outlive a power cut; the lab shows the folder as `data`. */
const notes = '/var/lib/flick-lab';

/** Two devices whose agents stop where a test asks for it, with a witness on each of what runs there. */
export class Ground {
  readonly fixture: LabFixture;
  #patience: string | undefined;

  private constructor(fixture: LabFixture) {
    this.fixture = fixture;
  }

  static async up(context: Mocha.Context): Promise<Ground> {
    const fixture = await LabFixture.up(context, places);
    const ground = new Ground(fixture);
    for (const place of places) {
      await fixture.flick.run(['device', 'rm', `${place}-dev`]);
      await fixture.place(place, 'sequence.py', sequence);
      await fixture.place(place, 'sequence.cjs', portableSequence);
      await fixture.place(place, 'witness.py', witness);
      await fixture.place(place, 'stopAtLine.cjs', stopper);
      const config = '/etc/ssh/sshd_config.lab';
      const options = `s|^SetEnv .*|& NODE_OPTIONS=--require=${stopper}|`;
      await fixture.on(place, ['sed', '-i', options, config]);
      await fixture.on(place, ['sh', '-c', 'kill -HUP "$(cat /run/sshd.pid)"']);
      await ground.callWitness(place);
    }
    return ground;
  }

  down(): Promise<void> {
    return this.fixture.down();
  }

  path(place: Place, file: string): string {
    return pathOn(this.fixture.lab, place, file);
  }

  async callWitness(place: Place): Promise<void> {
    const script = `setsid python3 ${witness} ${notes}/witness >/dev/null 2>&1 </dev/null &`;
    await this.fixture.on(place, ['sh', '-c', script]);
  }

  /** What a device's witness has written down, power cuts or not. */
  heard(place: Place): string {
    const file = join(dirname(this.fixture.lab.identity), place, 'data', 'witness');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  ask<T>(place: Place, work: (peer: RpcPeer) => Promise<T>): Promise<T> {
    return askAgent(this.path(place, '/root/.flick/agent.sock'), work);
  }

  /** @param isPortable whether it is one for the portable engine */
  async start(name: string, isPortable: boolean): Promise<string> {
    const command = isPortable
      ? // Not with what stops agents.
        ['env', '-u', 'NODE_OPTIONS', 'node', portableSequence, name]
      : ['python3', sequence, name, '8', `/root/${name}.lease`];
    const { process } = await this.ask('alpha', (peer) =>
      peer.request(launchProcess, { command, name }),
    );
    return process.id;
  }

  /** Ends a process on the device that has it, and forgets it there. */
  async end(place: Place, id: string): Promise<void> {
    await this.ask(place, async (peer) => {
      // One that has ended already takes no signal.
      await peer.request(signalProcess, { id, signal: 'SIGKILL' }).catch(() => undefined);
      await peer.request(waitProcess, { id });
      await peer.request(forgetProcess, { id });
    });
  }

  processes(place: Place): readonly Seen[] {
    return processesOn(this.fixture.lab, place);
  }

  copies(place: Place, name: string): readonly Seen[] {
    const command = `python3 ${sequence} ${name} `;
    // There is one process at a time, which is called as the program is once it has been rebuilt.
    const isPortable = (each: Seen): boolean =>
      isRebuilt(each) ||
      each.command.trim() === `sequence ${name}` ||
      each.command === `node ${portableSequence} ${name}`;
    return this.processes(place).filter(
      (each) => each.command.startsWith(command) || isPortable(each),
    );
  }

  agent(place: Place): Seen | undefined {
    return agentOn(this.fixture.lab, place);
  }

  /** Both agents run, with this patience for links (`FLICK_LINK_PATIENCE`). */
  async ready(patience: string | undefined): Promise<void> {
    if (patience !== this.#patience) {
      for (const place of places) {
        const env = patience === undefined ? {} : { FLICK_LINK_PATIENCE: patience };
        writeFileSync(this.path(place, `${notes}/agent-env`), JSON.stringify(env));
        await this.endAgent(place);
      }
      this.#patience = patience;
    }
    await eventually(
      async () => {
        const there = (): boolean => places.every((place) => this.agent(place) !== undefined);
        if (!there()) await this.fixture.list();
        return there() ? true : undefined;
      },
      'both agents run',
      30_000,
    );
  }

  async endAgent(place: Place): Promise<void> {
    const agent = this.agent(place);
    if (agent === undefined) return;
    process.kill(agent.pid, 'SIGKILL');
    await eventually(
      () => Promise.resolve(existsSync(`/proc/${String(agent.pid)}`) ? undefined : true),
      `the agent of ${place} is gone`,
    );
  }

  stopAt(side: 'source' | 'target', at: string): void {
    const place = side === 'source' ? 'alpha' : 'beta';
    writeFileSync(this.path(place, `${notes}/stop-at`), `"side":"${side}","at":"${at}"`);
  }

  /** Resolves with the agent's PID once it stands still at the line that was asked for. @throws when the move ends first */
  async stopped(place: Place, move: UnderWay): Promise<number> {
    let ended: Ran | undefined;
    void move.ended.then((ran) => (ended = ran));
    const pid = await eventually(
      () => {
        if (ended !== undefined) return Promise.resolve(0);
        if (existsSync(this.path(place, `${notes}/stop-at`))) return Promise.resolve(undefined);
        const agent = this.agent(place);
        return Promise.resolve(agent?.state === 'T' ? agent.pid : undefined);
      },
      `the agent of ${place} stops`,
      60_000,
    );
    if (pid === 0) throw new Error(`The move ended too soon: ${ended?.stdout}${ended?.stderr}`);
    return pid;
  }

  /** What Flick keeps on a device lies on a small disk of its own from now on. */
  async smallDisk(place: Place): Promise<void> {
    await this.endAgent(place);
    const mount =
      'mkdir -p /root/.flick && mount -t tmpfs -o size=160m,mode=700 tmpfs /root/.flick';
    await this.fixture.on(place, ['sh', '-c', mount]);
  }

  /** Takes {@link smallDisk} back. */
  async usualDisk(place: Place): Promise<void> {
    await this.endAgent(place);
    await this.fixture.on(place, ['umount', '--lazy', '/root/.flick']);
  }
}
