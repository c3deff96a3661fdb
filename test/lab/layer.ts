import { randomUUID } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { mustRun } from './commands.ts';

/** Someone who can log in to a device. */
export interface DeviceUser {
  readonly name: 'root' | 'dev';
  readonly uid: number;
  readonly home: string;
}

/** The users of a device. `dev` has another uid and, but for the first device, another home on each. */
export function usersOf(device: { readonly name: string; readonly index: number }): DeviceUser[] {
  const { name, index } = device;
  const home = index === 1 ? '/home/dev' : `/home/dev-${name}`;
  return [
    { name: 'root', uid: 0, home: '/root' },
    { name: 'dev', uid: 1000 + 101 * index, home },
  ];
}

/** Where a device keeps its programs for the lab; boot.sh and init.py know the first two as well. */
export const devicePaths = {
  scripts: '/usr/local/lib/flick-lab',
  clone: '/opt/flick-lab/clone',
  criu: '/usr/local/bin/criu',
} as const;

/** What programs on a device find in PATH. */
export const devicePath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Makes the folder of a device that has never been booted; see device/boot.sh for what is in it.
 * @param folder on a file system that can carry an overlay's upper layer
 * @param publicKey the key that may log in
 * @returns the device's public host key as in known_hosts
 */
export async function makeDeviceFolder(
  folder: string,
  device: { readonly name: string; readonly index: number },
  publicKey: string,
): Promise<string> {
  for (const part of ['upper', 'work', 'homes', 'superuser', 'data', 'mount', 'seed']) {
    mkdirSync(join(folder, part), { recursive: true });
  }
  // Ordinary users of the device walk through these.
  for (const part of ['upper', 'homes', 'data', 'seed']) chmodSync(join(folder, part), 0o755);
  chmodSync(join(folder, 'superuser'), 0o700);
  for (const user of usersOf(device)) {
    const inHomes = join(folder, 'homes', basename(user.home));
    makeHome(user.name === 'root' ? join(folder, 'superuser') : inHomes, user, publicKey);
  }
  renewBootId(folder);
  const seed = join(folder, 'seed');
  writeSystemFiles(seed, device);
  writePrograms(seed);
  return makeHostKey(seed, device.name);
}

/** Gives a device another boot id, as a boot does. */
export function renewBootId(folder: string): void {
  writeFileSync(join(folder, 'boot_id'), `${randomUUID()}\n`, { mode: 0o444 });
}

function makeHome(folder: string, user: DeviceUser, publicKey: string): void {
  const keys = join(folder, '.ssh', 'authorized_keys');
  mkdirSync(dirname(keys), { recursive: true, mode: 0o700 });
  writeFileSync(keys, publicKey, { mode: 0o600 });
  for (const path of [folder, dirname(keys), keys]) chownSync(path, user.uid, user.uid);
}

function writeSystemFiles(
  seed: string,
  device: { readonly name: string; readonly index: number },
): void {
  const write = (path: string, text: string, mode = 0o644): void => {
    mkdirSync(join(seed, dirname(path)), { recursive: true, mode: 0o755 });
    writeFileSync(join(seed, path), text);
    chmodSync(join(seed, path), mode);
  };
  const dev = usersOf(device).find(({ name }) => name === 'dev');
  if (dev === undefined) return;
  const id = String(dev.uid);
  write('etc/hostname', `${device.name}\n`);
  write('etc/passwd', withLine('/etc/passwd', `dev:x:${id}:${id}:Developer:${dev.home}:/bin/bash`));
  write('etc/group', withLine('/etc/group', `dev:x:${id}:`));
  // sshd without PAM refuses an account whose password field begins with "!".
  const shadow = withLine('/etc/shadow', 'dev:*:20000:0:99999:7:::').replace(/^root:!/m, 'root:*');
  write('etc/shadow', shadow, 0o640);
  write('etc/sudoers.d/flick-lab', 'dev ALL=(ALL:ALL) NOPASSWD: ALL\n', 0o440);
  write(
    'etc/ssh/sshd_config.lab',
    [
      'Port 22',
      'AddressFamily inet',
      'HostKey /etc/ssh/ssh_host_lab_key',
      'PidFile /run/sshd.pid',
      'PermitRootLogin prohibit-password',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'UsePAM no',
      'UseDNS no',
      'AllowTcpForwarding yes',
      'AllowStreamLocalForwarding yes',
      'MaxStartups 100',
      'MaxSessions 100',
      'AcceptEnv LANG LC_*',
      `SetEnv PATH=${devicePath}`,
      'Subsystem sftp internal-sftp',
      '',
    ].join('\n'),
  );
}

/** A system file of this machine with one more line, in place of one with the same first field. */
function withLine(file: string, line: string): string {
  const key = `${line.split(':')[0] ?? ''}:`;
  const lines = readFileSync(file, 'utf8').split('\n');
  const others = lines.filter((other) => other !== '' && !other.startsWith(key));
  return `${[...others, line].join('\n')}\n`;
}

function writePrograms(seed: string): void {
  const scripts = join(seed, devicePaths.scripts);
  mkdirSync(scripts, { recursive: true });
  for (const name of ['init.py', 'enter.sh']) {
    copyFileSync(join(import.meta.dirname, 'device', name), join(scripts, name));
    chmodSync(join(scripts, name), 0o755);
  }
  const criu = join(seed, devicePaths.criu);
  mkdirSync(dirname(criu), { recursive: true });
  writeFileSync(criu, `#!/bin/sh\nexec ${devicePaths.clone}/.cache/criu/criu "$@"\n`);
  chmodSync(criu, 0o755);
  const node = realpathSync(process.execPath);
  if (devicePath.split(':').includes(dirname(node))) return;
  // A node under somebody's home is out of sight on the device.
  copyFileSync(node, join(dirname(criu), 'node'));
  chmodSync(join(dirname(criu), 'node'), 0o755);
}

async function makeHostKey(seed: string, name: string): Promise<string> {
  const key = join(seed, 'etc/ssh/ssh_host_lab_key');
  await mustRun(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', key]);
  const [type = '', value = ''] = readFileSync(`${key}.pub`, 'utf8').split(' ');
  return `${type} ${value}`;
}
