import { networkInterfaces } from 'node:os';
import { endpoint, isLoopback, isWildcard, readInet, type InetSocket } from '../../procfs/inet.ts';
import { readProc } from '../../procfs/read.ts';
import type { Arriving } from './arrivalCheck.ts';
import type { CriuFacts } from './factsSchema.ts';
import { findHolders } from './holders.ts';
import { enumerate, label, labelOf, shownPath } from './words.ts';

type Listening = CriuFacts['listening'][number];

/** Ports and addresses that the tree will bind again on this device. */
export async function arrivingPorts(facts: CriuFacts, uid: number): Promise<Arriving[]> {
  return [...(await taken(facts)), ...(await privileged(facts, uid)), ...(await addresses(facts))];
}

async function taken(facts: CriuFacts): Promise<Arriving[]> {
  if (facts.listening.length === 0) return [];
  const here = (await readInet('self', ['tcp', 'tcp6', 'udp', 'udp6'])).filter(
    (socket) => socket.table.startsWith('udp') || socket.state === 'LISTEN',
  );
  const conflicts = unique(facts.listening).flatMap((wanted) => {
    const rival = here.find((socket) => collide(wanted, socket));
    return rival === undefined ? [] : [{ wanted, rival }];
  });
  const holders = await findHolders(
    new Set(conflicts.map(({ rival }) => `socket:[${rival.inode}]`)),
    new Set(),
  );
  return conflicts.map(({ wanted, rival }) => {
    const holder = holders.get(`socket:[${rival.inode}]`)?.[0];
    const who = holder === undefined ? `a process of user ${rival.uid}` : labelOf(holder.process);
    return {
      cause: 'portTaken' as const,
      severity: 'blocks' as const,
      what: `${label(facts, wanted.pid)} listens on ${wanted.protocol.toUpperCase()} port ${wanted.port}, which is taken on this device by ${who}.`,
      remedy: `End ${who} on this device, or let one of the two use another port.`,
    };
  });
}

function collide(wanted: Listening, socket: InetSocket): boolean {
  if (!socket.table.startsWith(wanted.protocol) || socket.localPort !== wanted.port) return false;
  // A connected datagram socket has its port for one peer only.
  if (wanted.protocol === 'udp' && socket.remotePort !== 0) return false;
  const bothOfOneFamily = wanted.address.includes(':') === socket.localAddress.includes(':');
  if (wanted.address === socket.localAddress) return true;
  if (isWildcard(wanted.address)) return bothOfOneFamily || wanted.address === '::';
  return isWildcard(socket.localAddress) && (bothOfOneFamily || socket.localAddress === '::');
}

async function privileged(facts: CriuFacts, uid: number): Promise<Arriving[]> {
  if (uid === 0) return [];
  const setting = await readProc('/proc/sys/net/ipv4/ip_unprivileged_port_start');
  const first = Number(setting ?? 1024);
  const low = unique(facts.listening).filter((wanted) => wanted.port < first);
  const [lowest] = low;
  if (lowest === undefined) return [];
  return [
    {
      cause: 'portTaken',
      severity: 'blocks',
      what: `${label(facts, lowest.pid)} listens on port ${enumerate(low.map((wanted) => String(wanted.port)))}; on this device ordinary users may only use ports from ${first} on.`,
      remedy: `Log in to the device as root, or allow it there: sudo sysctl net.ipv4.ip_unprivileged_port_start=${Math.min(...low.map((wanted) => wanted.port))}`,
    },
  ];
}

async function addresses(facts: CriuFacts): Promise<Arriving[]> {
  const here = new Set(
    Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map((one) => one.address)),
  );
  const hasIpv6 = (await readProc('/proc/net/if_inet6')) !== undefined;
  const wanted = new Map<string, { pid: number; where: string }>();
  for (const { pid, address, port } of facts.listening) {
    wanted.set(address, { pid, where: endpoint(address, port) });
  }
  // CRIU binds connected datagram sockets to the address that they had.
  for (const { pid, protocol, local } of facts.connections) {
    if (protocol !== 'udp') continue;
    const address = local.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
    if (!wanted.has(address)) wanted.set(address, { pid, where: local });
  }
  const findings: Arriving[] = [];
  for (const [address, { pid, where }] of wanted) {
    const who = label(facts, pid);
    if (address.includes(':') && !hasIpv6) {
      findings.push({
        cause: 'addressAbsent',
        severity: 'blocks',
        what: `${who} uses the IPv6 address ${shownPath(where)}, and this device has IPv6 switched off.`,
        remedy: 'Switch IPv6 on here, or let the program use IPv4 only (0.0.0.0 instead of ::).',
      });
    } else if (!isWildcard(address) && !isLoopback(address) && !isMulticast(address)) {
      if (here.has(address)) continue;
      findings.push({
        cause: 'addressAbsent',
        severity: 'blocks',
        what: `${who} uses the address ${shownPath(where)}, which this device does not have.`,
        remedy:
          'Let the program listen on all addresses (0.0.0.0 or ::), or give the device this address.',
      });
    }
  }
  return findings;
}

function isMulticast(address: string): boolean {
  const first = Number(address.split('.')[0]);
  return address.includes(':') ? /^ff/i.test(address) : first >= 224 && first <= 239;
}

function unique(listening: readonly Listening[]): Listening[] {
  const byPort = new Map(
    listening.map((each) => [`${each.protocol} ${each.address} ${each.port}`, each]),
  );
  return [...byPort.values()];
}
