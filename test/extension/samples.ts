import type { DeviceDescription, Finding, ProcessInfo } from '../../protocol/index.ts';

/** A running process as an agent reports it. */
export function process(changes: Partial<ProcessInfo> = {}): ProcessInfo {
  return {
    id: 'p-0123456789',
    name: 'web',
    state: 'running',
    pid: 4711,
    command: ['node', 'server.js'],
    cwd: '/srv/web',
    origin: 'launched',
    inCell: true,
    hasTerminal: true,
    home: { deviceId: 'd-1', hostName: 'alpha.lan' },
    atHome: true,
    startedAt: 0,
    moves: 0,
    exit: null,
    remark: null,
    movement: null,
    ports: [{ protocol: 'tcp', address: '0.0.0.0', port: 8080 }],
    rssBytes: 45 * 1024 * 1024,
    tree: [{ pid: 4711, command: 'node server.js', rssBytes: 1, children: [] }],
    ...changes,
  };
}

export function description({ available = true } = {}): DeviceDescription {
  const missing: Finding = {
    cause: 'criuMissing',
    severity: 'blocks',
    side: 'target',
    what: 'CRIU is missing.',
    remedy: 'Set the device up.',
  };
  return {
    hello: {
      protocol: 1,
      build: 'b',
      version: '0.1.0',
      deviceId: 'd-1',
      bootId: 'boot',
      pid: 1,
      socket: '/run/flick.sock',
    },
    hostName: 'alpha.lan',
    platform: 'linux',
    architecture: 'x64',
    kernel: '6.18.0',
    distribution: 'Debian 12',
    nodeVersion: '20.20.2',
    user: { name: 'dev', uid: 1000, home: '/home/dev' },
    cpuModel: 'Some CPU',
    memoryBytes: 8 << 20,
    freeDiskBytes: 8 << 20,
    uptimeMs: 60_000,
    userNamespaces: true,
    privilegedHelper: false,
    sudo: false,
    engines: [
      available
        ? { engine: 'criu', available, version: '4.2.1', findings: [] }
        : { engine: 'criu', available, findings: [missing] },
    ],
  };
}
