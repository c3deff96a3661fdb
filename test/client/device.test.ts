import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { AgentFile } from '../../client/agentFile.ts';
import { Fleet } from '../../client/fleet.ts';
import {
  describeDevice,
  FlickError,
  listDoubts,
  processChanged,
  processRemoved,
  protocolVersion,
  unwatchProcesses,
  watchProcesses,
  type DeviceDescription,
  type ProcessInfo,
} from '../../protocol/index.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { FakeAgent } from './fakeAgent.ts';

const process: ProcessInfo = {
  id: 'p-0123456789',
  name: 'web',
  state: 'running',
  pid: 7,
  command: ['web'],
  cwd: '/',
  origin: 'launched',
  inCell: true,
  hasTerminal: true,
  home: { deviceId: 'd-alpha', hostName: 'alpha' },
  atHome: true,
  startedAt: 1,
  moves: 0,
  exit: null,
  remark: null,
  movement: null,
  ports: [],
  rssBytes: null,
  tree: [],
};

describe('a device', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let agent: FakeAgent;
  let fleet: Fleet;

  const make = async (hello: ConstructorParameters<typeof FakeAgent>[2] = {}): Promise<void> => {
    agent = new FakeAgent(folder.path, 'alpha', hello);
    const description: DeviceDescription = {
      hello: agent.hello,
      hostName: 'alpha',
      platform: 'linux',
      architecture: 'x64',
      kernel: '6',
      distribution: 'Debian',
      nodeVersion: '20',
      user: { name: 'root', uid: 0, home: '/root' },
      cpuModel: '',
      memoryBytes: 1,
      freeDiskBytes: 1,
      uptimeMs: 1,
      userNamespaces: false,
      privilegedHelper: true,
      sudo: true,
      engines: [],
    };
    agent
      .on(listDoubts, () => Promise.resolve({ doubts: [] }))
      .on(describeDevice, () => Promise.resolve(description))
      .on(watchProcesses, () => Promise.resolve({ processes: [process] }))
      .on(unwatchProcesses, () => Promise.resolve({}));
    await agent.listen();
    fleet = new Fleet({
      home: folder.path,
      agentFile: new AgentFile('/nowhere'),
      prompter: {
        passphrase: () => Promise.resolve(undefined),
        confirmHostKey: () => Promise.resolve(false),
      },
      createTransport: () => agent.transport(),
    });
  };
  const until = async (test: () => boolean, what: string): Promise<void> => {
    for (let i = 0; i < 1_000; i += 1) {
      if (test()) return;
      await delay(20);
    }
    assert.fail(what);
  };
  const watching = (): unknown[] =>
    agent.requests
      .filter((each) => each.method.endsWith('watch'))
      .map((each) => (each.method === watchProcesses.method ? each.params : 'unwatch'));

  beforeEach(() => (folder = temporaryFolder()));
  afterEach(() => {
    fleet.dispose();
    agent.close();
    folder.remove();
  });

  it('has its agent sample only while somebody watches with metrics', async () => {
    await make();
    const device = fleet.local;
    const list = device.watch({ metrics: false });
    await device.connect();
    await until(() => watching().length === 1, 'it should watch');
    const one = device.watch({ metrics: true });
    const two = device.watch({ metrics: true });
    await until(() => watching().length === 2, 'it should ask for metrics');
    one.dispose();
    one.dispose();
    await delay(50);
    two.dispose();
    await until(() => watching().length === 3, 'it should ask for no more metrics');
    list.dispose();
    await until(() => watching().length === 4, 'it should stop watching');
    assert.deepEqual(watching(), [
      { metrics: false },
      { metrics: true },
      { metrics: false },
      'unwatch',
    ]);
    assert.equal(device.description?.hostName, 'alpha');
  });

  it('watches again after the connection broke, and keeps what it knew meanwhile', async () => {
    await make();
    const device = fleet.local;
    device.watch({ metrics: false });
    await device.connect();
    await until(() => device.processes.length === 1, 'it should know the process');
    // Asked at once: it comes back by itself soon.
    const asked = new Promise<unknown>((resolve) => {
      device.onDidChangeState(({ kind }) => {
        if (kind === 'waiting') resolve(device.request(describeDevice, {}).catch((error) => error));
      });
    });
    agent.cut();
    const error = await asked;
    assert.ok(error instanceof FlickError && error.reason === 'linkLost', String(error));
    assert.equal(device.processes[0]?.name, 'web');
    await until(() => device.state.kind === 'connected', 'it should reconnect by itself');
    await until(() => watching().length === 2, 'it should watch again');
  });

  it('tells of changes of its processes', async () => {
    await make();
    const device = fleet.local;
    device.watch({ metrics: false });
    await device.connect();
    await until(() => device.processes.length === 1, 'it should know the process');
    const seen: string[] = [];
    device.onDidChangeProcesses(() => seen.push(device.processes.map((each) => each.state).join()));
    for (const peer of agent.peers) {
      peer.notify(processChanged, { process: { ...process, state: 'moving' } });
      peer.notify(processRemoved, { id: process.id });
    }
    await until(() => seen.length === 2, 'both should arrive');
    assert.deepEqual(seen, ['moving', '']);
  });

  it('says so when its agent is newer than we are', async () => {
    await make({ protocol: protocolVersion + 1 });
    await assert.rejects(
      fleet.local.connect(),
      (error) =>
        error instanceof FlickError &&
        /This Flick is older than the agent/.test(error.message) &&
        /Update Flick/.test(error.remedy ?? ''),
    );
    assert.equal(fleet.local.state.kind, 'failed');
  });
});
