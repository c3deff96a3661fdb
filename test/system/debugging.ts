import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LinkState } from '../../common/debuggee.ts';
import { DebugLink } from '../../client/debugLink.ts';
import type { Fleet } from '../../client/fleet.ts';
import { RuntimeConnection } from '../../debug-adapter/runtimeConnection.ts';
import type { CdpThread, Protocol } from '../../debug-adapter/cdp.ts';
import type { BreakpointAction, RuntimeWelcome } from '../../protocol/index.ts';
import type { Listed } from '../support/flick.ts';
import { eventually, type LabFixture } from './labFixture.ts';
import { deviceName } from './stations.ts';

/** Longest wait for anything in a debug session, in ms: what comes later does not come. */
const patience = 20_000;

export const node24 = '/opt/flick-lab/clone/.cache/node/24/bin/node';

/** Whose process, of which Node.js, and whether it was there before Flick. */
export interface DebugCase {
  readonly title: string;
  readonly user: 'root' | 'dev';
  readonly node: string;
  readonly adopted: boolean;
}

export const debugCases: readonly DebugCase[] = [
  { title: 'root, Node.js 20', user: 'root', node: 'node', adopted: false },
  { title: 'root, Node.js 24', user: 'root', node: node24, adopted: false },
  { title: 'root, Node.js 20, adopted', user: 'root', node: 'node', adopted: true },
  { title: 'an ordinary user, Node.js 20', user: 'dev', node: 'node', adopted: false },
];

/** Runs a program on alpha through Flick, or beside it and adopts it. @returns the id of the process */
export async function startCase(
  fixture: LabFixture,
  { user, node, adopted }: DebugCase,
  name: string,
  file: string,
): Promise<string> {
  const device = deviceName('alpha', user);
  if (!adopted) return fixture.start(device, name, [node, file]);
  const script = 'cd / && setsid --fork "$@" < /dev/null > /dev/null 2>&1';
  await fixture.on('alpha', ['sh', '-c', script, 'sh', node, file]);
  const pid = await eventually(
    async () => (await fixture.pidsOf('alpha', `^${node} ${file}$`))[0],
    `${file} runs`,
  );
  const words = ['adopt', '--on', device, String(pid), '--name', name];
  return (await fixture.flick.json<Listed>(words)).id;
}

export interface Stop {
  readonly frame: Protocol.Debugger.CallFrame;
  /** From 1 on. */
  readonly line: number;
  readonly hits: readonly string[];
}

/** A debugger that speaks to the runtime in a process directly, over a link that follows it. */
export class Debugger {
  readonly link: DebugLink;
  readonly connection: RuntimeConnection;
  readonly welcomes: RuntimeWelcome[] = [];
  readonly states: LinkState[] = [];
  /** Stops that nobody has waited for yet. */
  readonly stops: Stop[] = [];
  restarts = 0;
  readonly #waiting = new Set<() => void>();

  private constructor(fleet: Fleet, device: string, id: string, graceMs: number) {
    this.link = new DebugLink(fleet, fleet.device(device), id, undefined);
    this.connection = new RuntimeConnection(this.link, graceMs);
    this.link.onDidChangeState((state) => {
      this.states.push(state);
      this.#changed();
    });
    this.connection.onDidConnect((welcome) => {
      this.welcomes.push(welcome);
      this.#changed();
    });
    this.connection.onDidRestart(() => {
      this.restarts += 1;
    });
    this.main.on('Flick.paused')(({ paused }) => {
      const [frame] = paused.callFrames;
      if (frame === undefined) return;
      const line = frame.location.lineNumber + 1;
      this.stops.push({ frame, line, hits: paused.hitBreakpoints ?? [] });
      this.#changed();
    });
  }

  /** Attaches and enables the debugger. @param graceMs how long the process waits for one that has vanished */
  static async attach(
    fleet: Fleet,
    device: string,
    id: string,
    graceMs = 60_000,
  ): Promise<Debugger> {
    const made = new Debugger(fleet, device, id, graceMs);
    made.link.start();
    try {
      await made.connected(1);
      await made.main.send('Debugger.enable', {});
      await made.main.send('Runtime.enable');
    } catch (error) {
      made.vanish();
      throw error;
    }
    return made;
  }

  get main(): CdpThread {
    return this.connection.main;
  }

  /** Waits for the connection of that number; the first one is 1. */
  async connected(count: number): Promise<RuntimeWelcome> {
    return this.#until(`connection ${String(count)}`, () => {
      const { state } = this.link;
      if (state.kind === 'refused') throw state.error;
      return this.welcomes[count - 1];
    });
  }

  /** Waits until the link is attached on a device and the session goes on there. */
  async attachedOn(device: string): Promise<void> {
    await this.#until(`being attached on ${device}`, () => {
      const { state } = this.link;
      const isThere = state.kind === 'attached' && state.place.device === device;
      return isThere && this.connection.isConnected ? true : undefined;
    });
  }

  async stop(): Promise<Stop> {
    return this.#until('a stop', () => this.stops.shift());
  }

  /** Sets a breakpoint on a line of a program. @param line from 1 on @returns its id */
  async breakAt(file: string, line: number, action?: BreakpointAction): Promise<string> {
    const url = `file://${file}`;
    const { breakpointId } = await this.main.send('Flick.setBreakpointByUrl', {
      url,
      lineNumber: line - 1,
      action,
    });
    return breakpointId;
  }

  /** Evaluates on a frame. @returns the value, which must be plain */
  async value(frame: Protocol.Debugger.CallFrame, expression: string): Promise<unknown> {
    const { callFrameId } = frame;
    const { result, exceptionDetails } = await this.main.send('Debugger.evaluateOnCallFrame', {
      callFrameId,
      expression,
      returnByValue: true,
    });
    if (exceptionDetails !== undefined) throw new Error(exceptionDetails.exception?.description);
    return result.value as unknown;
  }

  /** The properties of a remote object, by name. */
  async properties(objectId: string): Promise<Map<string, Protocol.Runtime.RemoteObject>> {
    const { result } = await this.main.send('Runtime.getProperties', {
      objectId,
      ownProperties: true,
    });
    return new Map(
      result.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value] as const])),
    );
  }

  /** Ends the session as an editor does. */
  async leave(): Promise<void> {
    await this.main.send('Flick.leave', {});
    this.vanish();
  }

  /** Is gone without a word. */
  vanish(): void {
    this.link.dispose();
    this.connection.dispose();
  }

  #changed(): void {
    for (const look of [...this.#waiting]) look();
  }

  async #until<T>(what: string, look: () => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void): void => {
        clearTimeout(timer);
        this.#waiting.delete(attempt);
        settle();
      };
      const attempt = (): void => {
        try {
          const found = look();
          if (found !== undefined) finish(() => resolve(found));
        } catch (error) {
          finish(() => reject(error as Error));
        }
      };
      const timer = setTimeout(() => {
        const { state } = this.link;
        const said = `${state.kind}${state.kind === 'waiting' ? `: ${state.why}` : ''}`;
        finish(() => reject(new Error(`Waited in vain for ${what}; the link is ${said}.`)));
      }, patience);
      this.#waiting.add(attempt);
      attempt();
    });
  }
}

/** Number of the line of a test program that holds a text, from 1 on. */
export function lineOf(program: string, text: string): number {
  const source = readFileSync(join(import.meta.dirname, 'programs', program), 'utf8');
  const index = source.split('\n').findIndex((line) => line.includes(text));
  if (index < 0) throw new Error(`${program} has no line with “${text}”.`);
  return index + 1;
}

/** What of a process others can see: its threads and its sockets. */
export interface Footprint {
  readonly threads: number;
  readonly sockets: number;
}

/** @param pid as the device sees it */
export async function footprint(
  fixture: LabFixture,
  device: string,
  pid: number,
): Promise<Footprint> {
  const threads = await fixture.on(device, ['ls', `/proc/${String(pid)}/task`]);
  const files = await fixture.on(device, ['ls', '-l', `/proc/${String(pid)}/fd`]);
  return {
    threads: threads.trim().split('\n').length,
    sockets: [...files.matchAll(/socket:\[/g)].length,
  };
}

/** The sockets' folders of debug runtimes that lie on a device, also as its processes see them. */
export async function debugFolders(fixture: LabFixture, device: string): Promise<string[]> {
  const script = 'ls -d /tmp/.flick-debug-* /proc/[0-9]*/root/tmp/.flick-debug-* 2> /dev/null';
  const { stdout } = await fixture.lab.exec(device, ['sh', '-c', script]);
  return stdout.split('\n').filter((line) => line !== '');
}
