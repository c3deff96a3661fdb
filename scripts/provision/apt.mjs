import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { announce, attempt, isThere, leftOut, mustRun, ready } from './common.mjs';

/**
 * Debian packages by the use they have here; each with the file or program that shows it is there,
 * so that a machine which has the program from elsewhere is left alone.
 * @type {Record<string, { why: string, packages: Record<string, string> }>}
 */
const groups = {
  build: {
    why: 'the keeper is a static native program for x64 and arm64',
    packages: {
      gcc: 'gcc',
      'libc6-dev': '/usr/include/stdio.h',
      'gcc-aarch64-linux-gnu': 'aarch64-linux-gnu-gcc',
      'libc6-dev-arm64-cross': '/usr/aarch64-linux-gnu/include/stdio.h',
    },
  },
  lab: {
    why: 'test devices are namespaces with a real sshd',
    packages: {
      'openssh-server': '/usr/sbin/sshd',
      'openssh-client': 'ssh',
      sudo: 'sudo',
      iproute2: 'ip',
      'util-linux': 'nsenter',
      mount: 'mount',
      procps: 'ps',
      nftables: 'nft',
      python3: '/usr/bin/python3',
    },
  },
  programs: {
    why: 'the tests move real programs',
    packages: {
      'redis-server': 'redis-server',
      'redis-tools': 'redis-cli',
      nginx: 'nginx',
      vim: 'vim',
      python3: '/usr/bin/python3',
      sqlite3: 'sqlite3',
      tmux: 'tmux',
      strace: 'strace',
      gdb: 'gdb',
    },
  },
  browser: {
    why: 'the tests drive a real VS Code in a browser',
    packages: { chromium: 'chromium' },
  },
  debootstrap: {
    why: 'it makes the root file system that Podman is compared in',
    packages: { debootstrap: 'debootstrap' },
  },
};

/** @typedef {'build' | 'lab' | 'programs' | 'browser' | 'debootstrap'} AptGroup */

const policyFile = '/usr/sbin/policy-rc.d';
let listsAreFresh = false;

/**
 * Installs the packages of some groups; only those whose program is missing.
 * @param {readonly AptGroup[]} names
 * @returns {Promise<import('./common.mjs').Provisioned>}
 */
export async function ensureApt(names) {
  const missing = new Set();
  for (const name of names) {
    for (const [packageName, probe] of Object.entries(groups[name].packages)) {
      if (!isThere(probe)) missing.add(packageName);
    }
  }
  if (missing.size === 0) return ready;
  const list = [...missing].join(' ');
  if (!existsSync('/etc/debian_version') || !isThere('apt-get')) {
    return leftOut(`Debian packages left out: this is not Debian, install ${list} yourself`);
  }
  if (process.getuid?.() !== 0) {
    return leftOut(`Debian packages left out: only root can install ${list}`);
  }
  const reasons = names.filter((name) =>
    Object.keys(groups[name].packages).some((packageName) => missing.has(packageName)),
  );
  announce(`Debian packages ${list}`, reasons.map((name) => groups[name].why).join('; '));
  return attempt('Debian packages', () => install([...missing]));
}

/** @param {readonly string[]} packages */
async function install(packages) {
  const env = { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const apt = ['apt-get', '-q', '-o', 'DPkg::Lock::Timeout=300'];
  // Packages of daemons start them when they are installed; a policy of "never" (101, see
  // invoke-rc.d(8)) keeps redis, nginx and sshd from running on the developer's machine.
  const ownPolicy = !existsSync(policyFile);
  if (ownPolicy) writeFileSync(policyFile, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    if (!listsAreFresh) await mustRun([...apt, 'update'], { env });
    listsAreFresh = true;
    await mustRun([...apt, 'install', '-y', '--no-install-recommends', ...packages], { env });
  } finally {
    if (ownPolicy) rmSync(policyFile, { force: true });
  }
}
