import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { queryHandoff, settleHandoff, type HandoffVerdict } from '../../../protocol/index.ts';
import { isCriu, isPark, isRebuilt, type Seen } from '../deviceView.ts';
import type { UnderWay } from '../underWay.ts';
import type { Fault } from './expected.ts';
import { places, type Ground, type Place } from './ground.ts';

/** A cell under way: the move stands still since the agent of `place` does. */
export interface Moment {
  readonly ground: Ground;
  readonly place: Place;
  readonly process: string;
  readonly agentPid: number;
  readonly move: UnderWay;
  readonly isPortable: boolean;
  /** How long a cut lasts that is not for ever, in ms. */
  readonly cutFor: { readonly short: number; readonly long: number };
}

/** What remains to be done about a fault. */
export interface Aftermath {
  /** The device can be reached by nobody until then, and for ever if nobody calls it. */
  readonly repair?: () => Promise<void>;
  /** Once the move is over, whatever came too late comes once more. */
  readonly late?: () => Promise<void>;
  /** The client was killed, or has nobody to speak to: what it says means nothing. */
  readonly clientIsGone?: true;
}

type Inject = (moment: Moment) => Promise<Aftermath>;

/** Strikes, and lets the agent go on. */
export const injections: Readonly<Record<Fault, Inject>> = {
  'agent killed': async ({ ground, place }) => {
    await ground.endAgent(place);
    return {};
  },
  'both agents killed': async ({ ground }) => {
    await Promise.all(places.map((each) => ground.endAgent(each)));
    return {};
  },
  'keeper killed': (moment) =>
    killOnSight(
      moment,
      ({ command }) => command.includes('flick-keeper') && command.includes(moment.process),
    ),
  'criu killed': (moment) => killOnSight(moment, atWork(moment)),
  'criu hangs': (moment) => killOnSight(moment, atWork(moment), 'SIGSTOP'),
  'cut for 1 s': async (moment) => {
    await cut(moment);
    await delay(moment.cutFor.short);
    await moment.ground.fixture.lab.mend(moment.place);
    return {};
  },
  'cut for 60 s': async (moment) => {
    await cut(moment);
    await delay(moment.cutFor.long);
    await moment.ground.fixture.lab.mend(moment.place);
    return {};
  },
  'cut for ever': async (moment) => {
    await cut(moment);
    return { repair: () => moment.ground.fixture.lab.mend(moment.place), clientIsGone: true };
  },
  'power cut': async ({ ground, place }) => {
    await ground.fixture.lab.kill(place);
    await ground.fixture.lab.boot(place);
    await ground.callWitness(place);
    return {};
  },
  'disk full': async (moment) => {
    const { ground, place } = moment;
    // Until nothing more fits: dd fails, and that is what is wanted of it.
    const fill =
      'dd if=/dev/zero of=/root/.flick/filler bs=1M; dd if=/dev/zero bs=1 count=65536 >> /root/.flick/filler';
    await ground.fixture.lab.exec(place, ['sh', '-c', fill]);
    goOn(moment);
    // It stays so until the move has come to its end, whichever.
    await Promise.race([moment.move.ended, delay(10_000)]);
    await ground.fixture.on(place, ['rm', '/root/.flick/filler']);
    return {};
  },
  delayed: async (moment) => {
    const { lab } = moment.ground.fixture;
    await lab.delay(moment.place, '150ms');
    goOn(moment);
    return { late: () => lab.delay(moment.place, 'off') };
  },
  twice: async (moment) => {
    const { lab } = moment.ground.fixture;
    await lab.delay(moment.place, '1ms', 2);
    const gossip = new Gossip(moment);
    // Whoever still runs has answered before the other one goes on.
    await gossip.ask(moment.place === 'alpha' ? 'beta' : 'alpha');
    const asked = gossip.ask(moment.place);
    goOn(moment);
    await asked;
    await gossip.tell();
    return {
      late: async () => {
        await gossip.tell();
        await lab.delay(moment.place, 'off');
      },
    };
  },
  'client gone': async (moment) => {
    moment.move.signal('SIGKILL');
    await moment.move.ended;
    goOn(moment);
    return { clientIsGone: true };
  },
};

function goOn({ agentPid }: Moment): void {
  process.kill(agentPid, 'SIGCONT');
}

async function cut(moment: Moment): Promise<void> {
  await moment.ground.fixture.lab.cut(moment.place);
  goOn(moment);
}

/** What dumps or restores a process there. */
function atWork({ isPortable, place }: Moment): (seen: Seen) => boolean {
  if (!isPortable) return isCriu;
  return place === 'alpha' ? isPark : isRebuilt;
}

/** Kills what is there, or what comes next; the agent goes on in any case. */
async function killOnSight(
  moment: Moment,
  is: (seen: Seen) => boolean,
  signal: NodeJS.Signals = 'SIGKILL',
): Promise<Aftermath> {
  const { ground, place } = moment;
  const strike = (): boolean => {
    const found = ground.processes(place).filter(is);
    for (const { pid } of found) {
      try {
        process.kill(pid, signal);
      } catch {
        // It went with the one before.
      }
    }
    return found.length > 0;
  };
  const isThere = strike();
  goOn(moment);
  if (isThere) return {};
  const deadline = performance.now() + 20_000;
  while (!strike()) {
    if (performance.now() > deadline) {
      const there = ground.processes(place).map(({ comm, command }) => `${comm}: ${command}`);
      throw new Error(`What was to be killed is not there: ${there.join('; ')}`);
    }
    await delay(1);
  }
  return {};
}

/** A client that meddles: it asks both sides and tells each what the other said, everything twice. */
class Gossip {
  readonly #ground: Ground;
  readonly #heard = new Map<Place, HandoffVerdict>();
  readonly #handoff: string;

  constructor({ ground }: Moment) {
    this.#ground = ground;
    this.#handoff = handoffOf(ground);
  }

  async ask(place: Place): Promise<void> {
    await this.#ground.ask(place, async (peer) => {
      for (let time = 0; time < 2; time += 1) {
        const { verdict } = await peer.request(queryHandoff, { handoff: this.#handoff });
        this.#heard.set(place, verdict);
      }
    });
  }

  async tell(): Promise<void> {
    for (const place of places) {
      const other = place === 'alpha' ? 'beta' : 'alpha';
      const peerVerdict = this.#heard.get(other);
      if (peerVerdict === undefined) continue;
      await this.#ground.ask(place, async (peer) => {
        const said = { handoff: this.#handoff, peerVerdict };
        for (let time = 0; time < 2; time += 1) {
          // Most of it is news to nobody, and refused.
          await peer.request(settleHandoff, said).catch(() => undefined);
        }
      });
    }
  }
}

/** The handoff that the logs of the agents speak of last. */
function handoffOf(ground: Ground): string {
  const log = readLog(ground);
  const found = [...log.matchAll(/"message":"handoff","handoff":"(h-[a-z0-9]+)"/g)].at(-1)?.[1];
  if (found === undefined) throw new Error('No handoff is under way.');
  return found;
}

function readLog(ground: Ground): string {
  return readFileSync(ground.path('alpha', '/root/.flick/agent.log'), 'utf8');
}
