import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { readLine, writeLine } from '../../common/lines.ts';
import { greet } from '../../common/preamble.ts';
import { FlickError, protocolVersion, type AgentHello } from '../../protocol/index.ts';
import { createAgentHome, type AgentHome } from '../state/home.ts';
import { connectSocket } from './connect.ts';

/**
 * V8 lets garbage lie for as long as the machine has memory to spare, which is the user's and not ours: a small nursery
 * (MB), and a collection each time the rest has grown by this share (percent).
 */
const smallHeap = ['--max-semi-space-size=4', '--heap-growing-percent=40'];

/** How long a fresh daemon may take until it answers, in ms. */
const startTimeout = 15_000;
/** How long an older daemon may take to end: it first sees a handoff under way to its end, in ms. */
const shutdownTimeout = 120_000;

/**
 * Makes sure that a daemon of this very build runs for the home. A daemon of another build is replaced, unless it speaks
 * a newer protocol than ours: then it is left alone and its hello says so.
 * @throws {FlickError} `internal` when the daemon does not come up, with the end of its log in the message
 */
export async function startDaemon(
  home: AgentHome,
  build: string,
  entry: string,
): Promise<AgentHello> {
  await createAgentHome(home);
  const running = await helloOf(home);
  if (running !== undefined) {
    if (running.build === build || running.protocol > protocolVersion) return running;
    await endDaemon(home);
  }
  const child = spawn(process.execPath, [...smallHeap, entry, 'daemon'], {
    detached: true,
    stdio: 'ignore',
    cwd: '/',
    env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' },
  });
  const exited = new Promise<'exited'>((resolve) => {
    child.once('exit', () => resolve('exited'));
    child.once('error', () => resolve('exited'));
  });
  child.unref();
  const deadline = Date.now() + startTimeout;
  let gone = false;
  void exited.then(() => (gone = true));
  for (let pause = 5; ; pause = Math.min(pause * 1.5, 100)) {
    const hello = await helloOf(home);
    if (hello !== undefined) return hello;
    // A daemon that exits at once lost the race against another `start`: that one answers in a moment.
    if (Date.now() > deadline) {
      throw new FlickError(
        'internal',
        gone
          ? 'The agent’s daemon ended while starting.'
          : 'The agent’s daemon did not answer in time.',
        { remedy: `Its log is ${home.log} on the device.`, logPath: home.log },
      );
    }
    await delay(pause);
  }
}

/** @returns undefined when no daemon listens */
export async function helloOf(home: AgentHome): Promise<AgentHello | undefined> {
  const socket = await connectSocket(home.socket).catch(() => undefined);
  if (socket === undefined) return undefined;
  try {
    return await greet(socket);
  } catch {
    return undefined;
  } finally {
    socket.destroy();
  }
}

async function endDaemon(home: AgentHome): Promise<void> {
  const socket = await connectSocket(home.socket).catch(() => undefined);
  if (socket === undefined) return;
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  writeLine(socket, { flick: 'shutdown' });
  await readLine(socket).catch(() => undefined);
  socket.resume();
  await Promise.race([closed, delay(shutdownTimeout, undefined, { ref: false })]);
  socket.destroy();
}
