import { spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  rmdirSync,
} from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { root } from '../support/provisioned.ts';
import { devicePath, devicePaths, usersOf } from './layer.ts';
import { insertDelay, plugIn, setRate, unplug } from './network.ts';
import {
  childrenOf,
  findProcess,
  isAlive,
  killAndWait,
  processesWithArgument,
  waitFor,
} from './processes.ts';
import type { DeviceState, LabPlaces } from './state.ts';

/** Where this machine has cgroup v2; undefined where it has none. */
const cgroupMount = findCgroupMount();

function findCgroupMount(): string | undefined {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  const line = mounts.find((mount) => / - cgroup2 /.test(mount));
  return line?.split(' ')[4];
}

function cgroupOf(places: LabPlaces, device: DeviceState): string | undefined {
  if (cgroupMount === undefined) return undefined;
  return join(cgroupMount, `flick-lab-${places.id}-${device.name}`);
}

export const deviceFolder = (places: LabPlaces, name: string): string => join(places.folder, name);

/**
 * Boots a device whose folder is there and waits until its sshd answers.
 * @returns the device with its `init`, and with its `relay` where it has a delay
 * @throws {Error} with the end of the device's log where it does not come up
 */
export async function bootDevice(places: LabPlaces, device: DeviceState): Promise<DeviceState> {
  const folder = deviceFolder(places, device.name);
  const cgroup = cgroupOf(places, device);
  if (cgroup !== undefined) mkdirSync(cgroup, { recursive: true });
  const log = openSync(join(folder, 'boot.log'), 'w', 0o600);
  const script = join(import.meta.dirname, 'device', 'boot.sh');
  const starter = spawn('/bin/bash', [script, 'start', folder], {
    detached: true,
    stdio: ['ignore', log, log],
    cwd: '/',
    env: {
      PATH: devicePath,
      LAB_NAME: device.name,
      LAB_CGROUP: cgroup ?? '',
      LAB_CGROUP_MOUNT: cgroupMount ?? '',
      LAB_CLONE: root,
    },
  });
  closeSync(log);
  starter.unref();
  const starterPid = starter.pid ?? 0;
  const fail = (what: string): Error => {
    const text = readFileSync(join(folder, 'boot.log'), 'utf8').trim();
    return new Error(`Failed to boot ${device.name}: ${what}: ${text}`);
  };
  const check = (): void => {
    if (starter.exitCode !== null || starter.signalCode !== null) throw fail('it ended');
  };
  await waitFor('the namespaces of a device', () => {
    check();
    return childrenOf(starterPid).length > 0;
  });
  const init = findProcess(childrenOf(starterPid)[0] ?? 0);
  if (init === undefined) throw fail('it ended');
  await plugIn(places.id, device.index, init.pid, device.address);
  await waitFor('sshd on a device', async () => {
    check();
    return answersSsh(device.address);
  });
  await setRate(places.id, device.index, init.pid, device.rate);
  const { delayMs } = device;
  if (delayMs === undefined) return { ...device, init };
  const relay = await insertDelay(places.id, device.index, { delayMs, copies: 1, mark: folder });
  return { ...device, init, relay };
}

/** Whether a TCP connection to port 22 is greeted as RFC 4253 section 4.2 says. */
function answersSsh(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port: 22, timeout: 2000 });
    const finish = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('data', (data) => {
      finish(data.toString('latin1').startsWith('SSH-'));
    });
    socket.once('error', () => {
      finish(false);
    });
    socket.once('timeout', () => {
      finish(false);
    });
  });
}

/**
 * Cuts a device's power: all its processes die with its PID 1, what they had in memory and in /tmp
 * and /run is lost, its files stay.
 * @returns the device without `init` and `relay`
 */
export async function cutPower(places: LabPlaces, device: DeviceState): Promise<DeviceState> {
  const { init, relay, ...rest } = device;
  const folder = deviceFolder(places, device.name);
  await killAndWait([init, relay].filter(isAlive));
  // What started PID 1 reaps it and ends; cut off earlier it would leave a zombie.
  const ended = (): boolean => processesWithArgument(folder).length === 0;
  await waitFor('a device to end', ended, 1000).catch(() => undefined);
  // A lab whose state is out of date has processes that it does not know of.
  await killAndWait(processesWithArgument(folder));
  await unplug(places.id, device.index);
  const cgroup = cgroupOf(places, device);
  if (cgroup !== undefined) await removeCgroup(cgroup);
  return rest;
}

/** Removes a cgroup and those below it; its last processes take a moment to leave. */
async function removeCgroup(cgroup: string): Promise<void> {
  await waitFor(`the processes in ${cgroup} to end`, () => {
    if (!existsSync(cgroup)) return true;
    const folders = readdirSync(cgroup, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name));
    // Deepest first.
    folders.sort((one, other) => other.length - one.length);
    try {
      for (const folder of [...folders, cgroup]) rmdirSync(folder);
    } catch {
      return false;
    }
    return true;
  });
}

/**
 * The program and arguments that run a command inside a device, and the environment it gets. Give
 * both to `spawn`; streams and exit status are the command's own.
 * @throws {Error} where the device is off
 */
export function commandInside(
  device: DeviceState,
  argv: readonly string[],
  userName: 'root' | 'dev' = 'root',
): { argv: string[]; env: Record<string, string> } {
  const { init } = device;
  if (!isAlive(init)) throw new Error(`The device ${device.name} is off`);
  const user = usersOf(device).find(({ name }) => name === userName);
  const home = user?.home ?? '/';
  const namespaces = ['-m', '-u', '-i', '-n', '-p', '-C'];
  const become = ['setpriv', '--reuid', 'dev', '--regid', 'dev', '--init-groups', '--'];
  return {
    argv: [
      ...['nsenter', '-t', String(init.pid), ...namespaces, '--'],
      ...[`${devicePaths.scripts}/enter.sh`, cgroupMount ?? ''],
      ...(userName === 'dev' ? become : []),
      ...['env', `--chdir=${home}`, ...argv],
    ],
    env: {
      PATH: devicePath,
      HOME: home,
      USER: userName,
      LOGNAME: userName,
      SHELL: '/bin/bash',
      LANG: 'C.UTF-8',
      TERM: process.env['TERM'] ?? 'dumb',
    },
  };
}
