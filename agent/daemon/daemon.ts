import { appendFileSync, existsSync, watch } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { dirname } from 'node:path';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DisposableStore, type Disposable } from '../../common/disposable.ts';
import { jsonLineLogger } from '../../common/logger.ts';
import { messageOf } from '../../common/rpc.ts';
import {
  agentStopping,
  FlickError,
  protocolVersion,
  type AgentHello,
  type DeviceDescription,
} from '../../protocol/index.ts';
import { Capsules } from '../capsules/capsules.ts';
import { CapsuleStore, limitFrom } from '../capsules/capsuleStore.ts';
import { DebugRuntimes } from '../debug/debugRuntimes.ts';
import { describeDevice } from '../device/describe.ts';
import { DeviceSetup } from '../device/setup.ts';
import { CriuEngine } from '../engines/criu/criuEngine.ts';
import { PortableEngine } from '../engines/portable/portableEngine.ts';
import { Hasher } from '../files/hashing.ts';
import { Handoffs } from '../handoff/handoffs.ts';
import { Forecasts } from '../handoff/forecasts.ts';
import { HandoffLedger } from '../handoff/ledger.ts';
import { HandoffLinks } from '../handoff/link/links.ts';
import { linkPatience } from '../handoff/link/patience.ts';
import { installKeeper } from '../keeper/install.ts';
import { removeTree } from '../processes/cells.ts';
import { Processes } from '../processes/processes.ts';
import { bootIdentity, createAgentHome, deviceIdentity, type AgentHome } from '../state/home.ts';
import { serveClient } from './handlers.ts';
import type { Services } from './services.ts';
import { AgentServer } from './server.ts';
import { StreamTickets } from './tickets.ts';
import { trimLog } from './trimLog.ts';

/** How long a daemon waits for one before it to be gone, and how often it looks, in ms. */
const lockPatience = 5000;
const lockInterval = 25;

/** A daemon that has had no client and no process for this long ends by itself, in ms. */
const idleLifetime = 24 * 60 * 60 * 1000;

export interface DaemonOptions {
  readonly home: AgentHome;
  readonly build: string;
  readonly version: string;
  /** The agent file. */
  readonly entry: string;
}

/**
 * Runs the daemon until it is told to end or has been idle for a day.
 * @returns at once when another daemon already serves this home
 */
export async function runDaemon(options: DaemonOptions): Promise<void> {
  const { home } = options;
  await createAgentHome(home);
  const lock = await holdLock(home.lock);
  if (lock === undefined) return;
  await trimLog(home.log);
  const logger = jsonLineLogger((line) => {
    try {
      appendFileSync(home.log, line, { mode: 0o600 });
    } catch {
      // A full disk or a removed folder must not end the daemon, least of all while it says so.
    }
  });
  process.on('uncaughtException', (error) =>
    logger.log('error', 'uncaught exception', { error: error.stack }),
  );
  process.on('unhandledRejection', (error) =>
    logger.log('error', 'unhandled rejection', {
      error: error instanceof Error ? error.stack : String(error),
    }),
  );
  const store = new DisposableStore();
  const hello: AgentHello = {
    protocol: protocolVersion,
    build: options.build,
    version: options.version,
    deviceId: await deviceIdentity(home),
    bootId: await bootIdentity(),
    pid: process.pid,
    socket: home.socket,
  };
  const tickets = store.add(new StreamTickets());
  const ledger = new HandoffLedger(home.handoffs);
  for (const problem of await ledger.load()) logger.log('error', problem);
  const keeper = once(() => installKeeper(home));
  const processes = store.add(
    new Processes({ home, deviceId: hello.deviceId, bootId: hello.bootId, ledger, logger, keeper }),
  );
  const engine = new CriuEngine({ home, keeper, logger });
  const engines = { criu: engine, v8: new PortableEngine({ home, keeper, logger }) };
  const debug = new DebugRuntimes(processes, logger);
  const describe = describer(hello, home);
  const limit = limitFrom(process.env['FLICK_CAPSULES_LIMIT']);
  const capsuleStore = once(() => CapsuleStore.open(home.capsules, limit));
  const handoffs = new Handoffs({
    home,
    processes,
    engines,
    debug,
    ledger,
    forecasts: await Forecasts.open(home),
    hasher: new Hasher(),
    logger,
    keeper,
    stored: capsuleStore,
    device: () => describe(false),
  });
  const links = new HandoffLinks({ patience: linkPatience(), bootId: hello.bootId, logger });
  handoffs.onDidProgress(({ handoff, step }) => links.reached(handoff, step));
  await processes.load();
  await handoffs.recover();
  // What a crash left half-written goes now; a store that cannot be used is no reason not to serve.
  capsuleStore().catch((error: unknown) =>
    logger.log('error', 'the capsules could not be opened', { error: messageOf(error) }),
  );
  const capsules = new Capsules({
    home,
    store: capsuleStore,
    handoffs,
    processes,
    engines,
    device: () => describe(false),
    logger,
  });

  let removing = false;
  const end = (why: string): void => {
    // Where the folder is being removed, a word in its log would only keep it from going.
    if (existsSync(home.socket)) logger.log('info', 'ending', { why });
    for (const peer of server.peers) peer.notify(agentStopping, { why });
    store.dispose();
    // Notifications are on their way; what has not left by then is lost with the connection anyway.
    setTimeout(() => process.exit(0), 50);
  };
  const shutdown = (why: string): void => {
    if (!handoffs.isBusy) end(why);
    else handoffs.onDidBecomeIdle(() => end(why));
  };
  const setup = new DeviceSetup(home, async () => {
    const description = await describe(true);
    return {
      home,
      entry: options.entry,
      uid: description.user.uid,
      privileged: description.sudo,
      helperUsable: description.privilegedHelper,
      userNamespaces: description.userNamespaces,
      criu: (await engine.state()).status,
    };
  });
  const services: Services = {
    home,
    hello,
    logger,
    tickets,
    processes,
    handoffs,
    capsules,
    links,
    engine,
    debug,
    setup,
    describe,
    shutdown: (why) => setTimeout(() => shutdown(why), 20),
    remove: async (force) => {
      removing = true;
      try {
        return await removeAgent(home, processes, force, () => end('it is removed'));
      } catch (error) {
        removing = false;
        throw error;
      }
    },
  };
  const server = new AgentServer({
    hello,
    tickets,
    logger,
    accept: (peer) => serveClient(peer, services),
  });
  store.add(server);
  server.onShutdownRequest(() => shutdown('a client brings another build'));
  followIdleness(server, processes, () => shutdown('idle for a day'));
  await server.listen();
  const unreachable = (): void => {
    // Whoever has it removed is owed an answer first.
    if (!removing) shutdown('its socket is gone');
  };
  store.add(followSocket(home.socket, unreachable));
  logger.log('info', 'serving', { pid: process.pid, build: options.build.slice(0, 16) });
  process.on('SIGTERM', () => shutdown('SIGTERM'));
}

/**
 * Only one process can bind an abstract socket, and the kernel frees it when that one dies (unix(7)). A daemon that
 * makes room holds it for a moment longer than its clients can see.
 */
async function holdLock(name: string): Promise<Server | undefined> {
  for (let waited = 0; waited < lockPatience; waited += lockInterval) {
    const lock = await tryLock(name);
    if (lock !== undefined) return lock;
    await delay(lockInterval);
  }
  return undefined;
}

async function tryLock(name: string): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', () => resolve(undefined));
    server.listen(name, () => resolve(server));
  });
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}

/** How long a description is good for, in ms: probing CRIU, namespaces and sudo takes a while. */
const descriptionKept = 60_000;

function describer(
  hello: AgentHello,
  home: AgentHome,
): (refresh: boolean) => Promise<DeviceDescription> {
  let kept: { readonly at: number; readonly description: Promise<DeviceDescription> } | undefined;
  return (refresh) => {
    if (!refresh && kept !== undefined && Date.now() - kept.at < descriptionKept) {
      return kept.description;
    }
    const description = describeDevice(hello, home.root, refresh);
    kept = { at: Date.now(), description };
    description.catch(() => (kept = undefined));
    return description;
  };
}

function followIdleness(server: AgentServer, processes: Processes, end: () => void): void {
  let timer: NodeJS.Timeout | undefined;
  const look = (clients: number): void => {
    clearTimeout(timer);
    if (clients > 0) return;
    timer = setTimeout(() => {
      if (server.peers.size === 0 && !processes.hasLive) end();
      else look(server.peers.size);
    }, idleLifetime).unref();
  };
  server.onDidChangeClients(look);
  look(0);
}

/** What programs that use this folder as clients keep in it: not the agent's to remove. */
const clientFiles: ReadonlySet<string> = new Set(['devices.json', 'known_hosts', 'moves']);

async function removeHome(root: string): Promise<void> {
  const entries = await readdir(root);
  for (const entry of entries) if (!clientFiles.has(entry)) await removeTree(join(root, entry));
  if (!entries.some((entry) => clientFiles.has(entry))) await removeTree(root);
}

/**
 * A daemon that nobody can reach any more (its folder was removed, or something tidied the socket away) makes room, so
 * that the next `start` finds the processes again instead of a lock that is held for ever.
 */
function followSocket(path: string, gone: () => void): Disposable {
  const watcher = watch(dirname(path), { persistent: false }, () => {
    if (!existsSync(path)) gone();
  });
  // Watching can fail where inotify has run out; then there is only the day of idleness.
  watcher.on('error', () => watcher.close());
  return { dispose: () => watcher.close() };
}

/** @throws {FlickError} `refused` while processes run, unless forced */
async function removeAgent(
  home: AgentHome,
  processes: Processes,
  force: boolean,
  end: () => void,
): Promise<readonly string[]> {
  const live = processes.list().filter((each) => each.isLive && each.record.cell !== null);
  if (live.length > 0 && !force) {
    throw new FlickError(
      'refused',
      `${live.length} ${live.length === 1 ? 'process runs' : 'processes run'} on this device: ${live.map((each) => each.record.name).join(', ')}.`,
      { remedy: 'Move or stop them first, or force the removal, which ends them.' },
    );
  }
  for (const each of live) await each.cell?.shutdown();
  processes.dispose();
  try {
    await removeHome(home.root);
    await rm(home.socket, { force: true });
  } catch (error) {
    throw new FlickError('internal', `Removing ${home.root} failed: ${messageOf(error)}`);
  }
  setTimeout(end, 20);
  return [home.root];
}
