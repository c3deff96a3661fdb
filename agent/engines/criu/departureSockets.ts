import type { CriuFacts, UnixSocket } from './factsSchema.ts';
import type { Departing, DepartureCircumstances } from './departureCheck.ts';
import { count, enumerate, label, labelOf, shownPath } from './words.ts';

interface KnownService {
  readonly pattern: RegExp;
  readonly name: string;
  readonly remedy: string;
}

/** Who listens at well-known sockets, and how a program is kept from talking to them. */
const services: readonly KnownService[] = [
  {
    pattern: /\/(dbus|bus|system_bus_socket)\b|dbus-/,
    name: 'D-Bus',
    remedy: 'Start it without DBUS_SESSION_BUS_ADDRESS in its environment.',
  },
  {
    pattern: /systemd\/journal|\/dev\/log$/,
    name: 'the system log',
    remedy: 'Let it write its log to a file or to its output.',
  },
  { pattern: /\.X11-unix/, name: 'the X server', remedy: 'Start it without DISPLAY.' },
  { pattern: /wayland-\d/, name: 'Wayland', remedy: 'Start it without WAYLAND_DISPLAY.' },
  {
    pattern: /vscode-ipc|vscode-git|vscode-/,
    name: 'VS Code',
    remedy: 'Start it with “flick run” instead of the integrated terminal.',
  },
  { pattern: /\.pm2\//, name: 'pm2', remedy: 'Start it without pm2.' },
  {
    pattern: /docker\.sock|containerd|podman/,
    name: 'the container runtime',
    remedy: 'Let it close the connection.',
  },
  {
    pattern: /mysql|\.s\.PGSQL|redis|mongodb-/,
    name: 'a database',
    remedy:
      'Let it reach the database over TCP: such a connection is closed by the move and opened again by most programs.',
  },
  {
    pattern: /pulse|pipewire/,
    name: 'the sound server',
    remedy: 'Start it without sound output.',
  },
  {
    pattern: /ssh-|agent\.\d|gpg-agent/,
    name: 'an agent for keys',
    remedy: 'Let it close the connection, or start it without SSH_AUTH_SOCK.',
  },
];

/** Unix sockets whose other end does not move along: CRIU cannot save half of a connection. */
export function departingSockets(facts: CriuFacts): Departing[] {
  const known = facts.unixSockets.filter((each) => each.peer === 'outside');
  const unknown = facts.unixSockets.filter((each) => each.peer === 'unknown');
  const groups = new Map<string, UnixSocket[]>();
  for (const each of known) {
    const key = `${each.pid} ${each.holder?.pid ?? each.path}`;
    groups.set(key, [...(groups.get(key) ?? []), each]);
  }
  const findings = [...groups.values()].flatMap((group): Departing[] => {
    const [first] = group;
    return first === undefined ? [] : [outsideSocket(facts, group, first)];
  });
  const [first] = unknown;
  if (first !== undefined) {
    const hints =
      facts.environmentHints.length === 0
        ? ''
        : ` Its environment leads to such sockets: ${enumerate(facts.environmentHints)}.`;
    findings.push({
      cause: 'unixSocket',
      severity: 'warns',
      what: `${label(facts, first.pid)} has ${count(unknown.length, 'unix socket')} of which this device cannot say who is at the other end. If it is somebody outside, the move will fail before anything is lost.${hints}`,
      remedy: 'Install ss (package iproute2) on the device to see it.',
      pid: first.pid,
    });
  }
  return findings;
}

function outsideSocket(
  facts: CriuFacts,
  group: readonly UnixSocket[],
  first: UnixSocket,
): Departing {
  const path = group.find((each) => each.path !== '')?.path ?? '';
  const service = services.find((each) => each.pattern.test(path));
  const holder = first.holder === null ? '' : labelOf(first.holder);
  const whom = [service?.name ?? '', holder].filter((each) => each !== '').join(', ');
  const standard = group.some((each) => each.fd <= 2);
  const through = path === '' ? '' : ` through ${shownPath(path)}`;
  return {
    cause: 'unixSocket',
    severity: 'blocks',
    what: `${label(facts, first.pid)} is connected to ${whom === '' ? 'a process outside' : whom} by a unix socket${through} (${enumerate(group.map((each) => `descriptor ${each.fd}`))}). Such a connection cannot be saved from one end.`,
    remedy:
      service?.remedy ??
      (standard
        ? 'Its input and output lead to the program that started it: start it with “flick run”, or with its output in a file.'
        : 'Let it close the connection, or move the process at the other end as well.'),
    pid: first.pid,
  };
}

/** Established connections are closed by a move; people are told beforehand. */
export function departingConnections(facts: CriuFacts, on: DepartureCircumstances): Departing[] {
  const findings: Departing[] = [];
  const tcp = facts.connections.filter((each) => each.protocol === 'tcp');
  const outside = tcp.filter((each) => !each.inside);
  const byProcess = new Map<number, string[]>();
  for (const each of outside) {
    byProcess.set(each.pid, [
      ...(byProcess.get(each.pid) ?? []),
      `${shownPath(each.local)} ↔ ${shownPath(each.remote)}${each.state === 'ESTABLISHED' ? '' : ` (${shownPath(each.state)})`}`,
    ]);
  }
  for (const [pid, connections] of byProcess) {
    findings.push({
      cause: 'connection',
      severity: 'warns',
      what: `${count(connections.length, 'connection')} of ${label(facts, pid)} will be closed by the move: ${enumerate(connections)}.`,
      remedy: 'Clients and programs that connect again by themselves go on after the move.',
      pid,
    });
  }
  const inside = tcp.filter((each) => each.inside);
  const [first] = inside;
  // See commands.ts: CRIU keeps all TCP connections of a tree or closes all, and keeping takes root's rights.
  if (first !== undefined && (outside.length > 0 || (on.uid !== 0 && on.inCell))) {
    findings.push({
      cause: 'connection',
      severity: 'warns',
      what: `${count(Math.ceil(inside.length / 2), 'TCP connection')} among the processes that move together will be closed as well (${label(facts, first.pid)}: ${shownPath(first.local)} ↔ ${shownPath(first.remote)}).`,
      remedy:
        outside.length > 0
          ? 'They are kept when no connection leads outside.'
          : 'They are kept when the device is used as root; unix sockets and pipes among them are always kept.',
      pid: first.pid,
    });
  }
  return findings;
}
