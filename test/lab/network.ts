import { spawn } from 'node:child_process';
import { join } from 'node:path';
import * as v from 'valibot';
import { mustRun, run } from './commands.ts';
import type { ProcessHandle } from './processes.ts';
import { findProcess } from './processes.ts';

/** The names of a lab's interfaces on this machine. */
export const linkNames = {
  bridge: (id: string): string => `fl${id}`,
  /** This machine's end of a device's cable. */
  cable: (id: string, index: number): string => `fl${id}v${String(index)}`,
  /** With a delay: a bridge of the device's own, and the two ends of the relay. */
  nearBridge: (id: string, index: number): string => `fl${id}d${String(index)}`,
  nearTap: (id: string, index: number): string => `fl${id}a${String(index)}`,
  farTap: (id: string, index: number): string => `fl${id}b${String(index)}`,
};

const addressesSchema = v.array(
  v.object({ addr_info: v.array(v.object({ local: v.optional(v.string()) })) }),
);
const routesSchema = v.array(v.object({ dst: v.optional(v.string()) }));

/**
 * A /24 range that no interface and no route of this machine uses.
 * @returns its first three numbers, such as `10.207.31`
 * @throws {Error} where all that it tries are used
 */
export async function chooseNetwork(id: string): Promise<string> {
  const addresses = v.parse(
    addressesSchema,
    JSON.parse(await mustRun(['ip', '-json', '-4', 'address'])),
  );
  const routes = v.parse(
    routesSchema,
    JSON.parse(await mustRun(['ip', '-json', '-4', 'route', 'show', 'table', 'all'])),
  );
  const used = [
    ...addresses.flatMap((link) => link.addr_info.flatMap(({ local }) => local ?? [])),
    ...routes.flatMap(({ dst }) => dst ?? []).filter((dst) => dst !== 'default'),
  ].map(toRange);
  const start = Number.parseInt(id, 16);
  for (let step = 0; step < 1000; step += 1) {
    const number = start + step;
    const network = `10.${String(200 + (number % 50))}.${String(Math.floor(number / 50) % 256)}`;
    const { first, last } = toRange(`${network}.0/24`);
    if (!used.some((range) => range.first <= last && range.last >= first)) return network;
  }
  throw new Error('Failed to find an address range that this machine does not use');
}

/** The first and the last address of `a.b.c.d[/bits]` as numbers. */
function toRange(text: string): { first: number; last: number } {
  const [address = '', bits = '32'] = text.split('/');
  const number = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - Number(bits));
  const first = Math.floor(number / size) * size;
  return { first, last: first + size - 1 };
}

export async function linkExists(name: string): Promise<boolean> {
  return (await run(['ip', 'link', 'show', 'dev', name])).code === 0;
}

/** Makes the lab's bridge with this machine's own address on it, `NETWORK.1`. */
export async function makeBridge(id: string, network: string): Promise<void> {
  await makePlainBridge(linkNames.bridge(id));
  const address = `${network}.1/24`;
  await mustRun(['ip', 'address', 'add', address, 'dev', linkNames.bridge(id)]);
}

async function makePlainBridge(name: string): Promise<void> {
  await mustRun(['ip', 'link', 'add', name, 'type', 'bridge', 'forward_delay', '0']);
  await mustRun(['ip', 'link', 'set', name, 'addrgenmode', 'none', 'up']);
}

/** Removes every interface of a lab, those of a crashed one too. */
export async function removeLinks(id: string): Promise<void> {
  const listed = await mustRun(['ip', '-brief', 'link']);
  const names = listed.split('\n').map((line) => line.split(/[\s@]/)[0] ?? '');
  for (const name of names.filter((candidate) => candidate.startsWith(`fl${id}`))) {
    // A veth takes its peer along, so some are gone before their turn.
    await run(['ip', 'link', 'delete', name]);
  }
}

/** Plugs a device in: a cable from the lab's bridge to `eth0` in the network of `initPid`. */
export async function plugIn(
  id: string,
  index: number,
  initPid: number,
  address: string,
): Promise<void> {
  const cable = linkNames.cable(id, index);
  await unplug(id, index);
  // The same at each boot, as a network card's, so that what others remember of it stays right.
  const octets = [id.slice(0, 2), id.slice(2, 4), id.slice(4, 6), index.toString(16)];
  const mac = ['02', 'f1', ...octets].map((octet) => octet.padStart(2, '0')).join(':');
  const peer = ['peer', 'name', 'eth0', 'address', mac, 'netns', String(initPid)];
  await mustRun(['ip', 'link', 'add', cable, 'type', 'veth', ...peer]);
  const onBridge = ['master', linkNames.bridge(id)];
  await mustRun(['ip', 'link', 'set', cable, ...onBridge, 'addrgenmode', 'none', 'up']);
  const inside = ['nsenter', '-t', String(initPid), '-n', 'ip'];
  await mustRun([...inside, 'address', 'add', `${address}/24`, 'dev', 'eth0']);
  await mustRun([...inside, 'link', 'set', 'eth0', 'up']);
}

/** Removes a device's cable; the kernel is slow to remove it after the device's network. */
export async function unplug(id: string, index: number): Promise<void> {
  await run(['ip', 'link', 'delete', linkNames.cable(id, index)]);
}

/** Pulls a device's cable out of the lab's bridge: what is sent goes nowhere, and no end of it is told. */
export async function cut(id: string, index: number): Promise<void> {
  await mustRun(['ip', 'link', 'set', linkNames.cable(id, index), 'nomaster']);
}

/** Takes {@link cut} back. */
export async function mend(id: string, index: number): Promise<void> {
  const cable = linkNames.cable(id, index);
  await mustRun(['ip', 'link', 'set', cable, 'master', linkNames.bridge(id)]);
}

/**
 * Limits what goes through a device's cable, each way.
 * @param rate a rate in the words of tc(8), such as `384kbit`; undefined takes the limit off
 * @throws {RangeError} where `rate` is no rate
 */
export async function setRate(
  id: string,
  index: number,
  initPid: number,
  rate: string | undefined,
): Promise<void> {
  const ends = [
    { enter: [], link: linkNames.cable(id, index) },
    { enter: ['nsenter', '-t', String(initPid), '-n'], link: 'eth0' },
  ];
  for (const { enter, link } of ends) {
    const qdisc = (verb: string): string[] => [...enter, 'tc', 'qdisc', verb, 'dev', link, 'root'];
    if (rate === undefined) {
      // Fails where there was none.
      await run(qdisc('del'));
      continue;
    }
    // A bucket of 10 ms, but never less than two full frames (tc-tbf(8)).
    const burst = Math.max(3200, Math.ceil(bitsPerSecond(rate) / 8 / 100));
    const limits = ['rate', rate, 'burst', String(burst), 'latency', '400ms'];
    await mustRun([...qdisc('replace'), 'tbf', ...limits]);
  }
}

/** @throws {RangeError} where the text is no rate as in `384kbit` */
export function bitsPerSecond(rate: string): number {
  const match = /^(\d+(?:\.\d+)?)([kmg]?)bit$/.exec(rate);
  if (match === null) throw new RangeError(`${rate} is not a rate such as 384kbit`);
  const factor = { '': 1, k: 1e3, m: 1e6, g: 1e9 }[match[2] ?? ''] ?? 1;
  return Number(match[1]) * factor;
}

/** A delay in ms from `50ms` or `0.2s`. @throws {RangeError} where the text is none */
export function parseDelay(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s)$/.exec(text);
  if (match === null) throw new RangeError(`${text} is not a delay such as 50ms`);
  return Number(match[1]) * (match[2] === 's' ? 1000 : 1);
}

/** What a relay does with each frame. */
export interface Delay {
  readonly delayMs: number;
  /** How often each frame arrives. */
  readonly copies: number;
  /** An argument by which the relay is found where its lab's state is lost. */
  readonly mark: string;
}

/**
 * Puts a relay into a device's cable that holds every frame up, each way.
 * @returns the relay, to be ended with {@link removeDelay}
 */
export async function insertDelay(
  id: string,
  index: number,
  { delayMs, copies, mark }: Delay,
): Promise<ProcessHandle> {
  const nearTap = linkNames.nearTap(id, index);
  const farTap = linkNames.farTap(id, index);
  const nearBridge = linkNames.nearBridge(id, index);
  const relay = await startRelay([String(delayMs), nearTap, farTap, String(copies), mark]);
  await makePlainBridge(nearBridge);
  const attach = async (link: string, bridge: string): Promise<void> => {
    await mustRun(['ip', 'link', 'set', link, 'master', bridge, 'addrgenmode', 'none', 'up']);
  };
  await attach(nearTap, nearBridge);
  await attach(farTap, linkNames.bridge(id));
  await attach(linkNames.cable(id, index), nearBridge);
  return relay;
}

function startRelay(relayArgs: readonly string[]): Promise<ProcessHandle> {
  const script = join(import.meta.dirname, 'device', 'delay.py');
  return new Promise((resolve, reject) => {
    const args = ['-I', script, ...relayArgs];
    const child = spawn('/usr/bin/python3', args, {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    child.on('error', reject);
    child.on('exit', () => {
      reject(new Error(`Failed to start the delay relay: ${errors.trim()}`));
    });
    child.stdout.once('data', () => {
      const handle = findProcess(child.pid ?? 0);
      child.stdout.destroy();
      child.stderr.destroy();
      child.unref();
      if (handle === undefined) reject(new Error('Failed to start the delay relay'));
      else resolve(handle);
    });
  });
}

/** Puts a device's cable back onto the lab's bridge once its relay has ended. */
export async function removeDelay(id: string, index: number): Promise<void> {
  const cable = linkNames.cable(id, index);
  if (await linkExists(cable)) {
    await mustRun(['ip', 'link', 'set', cable, 'master', linkNames.bridge(id)]);
  }
  // Non-persistent TAPs go with the relay; the bridge stays until it is removed.
  await run(['ip', 'link', 'delete', linkNames.nearBridge(id, index)]);
}
