import type { Cause } from '../../../protocol/index.ts';

/** One way in which CRIU fails: how it says so, and how we do. */
export interface Failure {
  /** Matched against one line of the log, without time and place in the source code. */
  readonly pattern: RegExp;
  readonly cause: Cause;
  /** Gets what the pattern captured, control characters escaped; undefined for groups that took no part. */
  readonly what: (captured: readonly (string | undefined)[]) => string;
  readonly remedy: string;
}

/** AF_… of socket.h for the families that CRIU does not know. */
const families = new Map([
  ['31', 'Bluetooth'],
  ['38', 'kernel crypto (AF_ALG)'],
  ['40', 'virtual machine (AF_VSOCK)'],
  ['44', 'XDP'],
  ['29', 'CAN bus'],
  ['15', 'IPsec key'],
]);

const setUp = 'Bring a newer CRIU to the device: flick device setup NAME.';
const withFlickRun = 'Start the program with “flick run”, which avoids this.';

/** Tried in this order on each line, the lines in the order of the log: what fails first is the cause. */
export const failures: readonly Failure[] = [
  {
    pattern: /anon_inode:\[io_uring\]|send_fds failed \(-22\)|Unknown shit 600/,
    cause: 'ioUring',
    what: () => 'The process uses io_uring, which CRIU cannot save.',
    remedy: `${withFlickRun} Or set the device's sysctl kernel.io_uring_disabled=2 and start it again.`,
  },
  {
    pattern:
      /Unexpected rt vDSO area bounds|Can't get 1:16 opt|lacks get_rseq_conf|has rseq but kernel/,
    cause: 'criuTooOld',
    what: () => "The device's CRIU is too old for its Linux kernel or its libc.",
    remedy: setUp,
  },
  {
    pattern: /Can't get rlimit|rlimit: Can't|Can't (?:set|restore) rlimit/,
    cause: 'permission',
    what: () =>
      "Root lacks CAP_SYS_RESOURCE on this device, which the limits of another user's process need.",
    remedy:
      'Let the whole program run as one user (nginx: “user root;”), or give the container that capability.',
  },
  {
    pattern: /CRIU needs (?:to have )?the CAP_|You need to have CAP_/,
    cause: 'permission',
    what: () => 'CRIU lacks the rights that it needs on this device.',
    remedy: 'Log in to the device as root, or run: flick device setup NAME.',
  },
  {
    pattern:
      /Unable to detach from (\d+)|zombie found while seizing|Unable to interrupt task: (\d+) \(Operation not permitted|SEIZE (\d+): can't seize|Unable to seize task (\d+)/,
    cause: 'traced',
    what: ([first, second, third, fourth]) =>
      `The process ${known(first, second, third, fourth)}could not be taken hold of: a debugger or tracer is attached to it, or the device forbids tracing.`,
    remedy: 'Detach gdb, strace or the debugger from it, then move it again.',
  },
  {
    pattern:
      /External socket is used|Can't dump half of stream unix connection|unix: .*(?:peer|external)/i,
    cause: 'unixSocket',
    what: () =>
      'The process is connected by a unix socket to another one that does not move along (a desktop, log, database or editor service).',
    remedy: `Let it close the connection, or start it without the variable that leads there (DBUS_SESSION_BUS_ADDRESS, DISPLAY, …). ${withFlickRun}`,
  },
  {
    pattern:
      /The root process (\d+) is not a session leader|A session leader of (\d+)\(\d+\) is outside/,
    cause: 'notLeader',
    what: ([first, second]) =>
      `The process ${known(first, second)}belongs to the session of a shell that does not move along.`,
    remedy: withFlickRun,
  },
  {
    pattern:
      /slave peer index|dangling tty|Unable to open dev\/ptmx|tty to inherit session|ctty inheritance|^tty: /,
    cause: 'terminal',
    what: () =>
      'The process uses a terminal that belongs to somebody else and could not be replaced.',
    remedy: `${withFlickRun} Or redirect its input and output.`,
  },
  {
    pattern: /Can't lookup mount=\S+ for fd=\S+ path=(\/memfd:.*|\/secretmem.*)/,
    cause: 'unsupportedObject',
    what: ([path]) =>
      `The process uses memory of a kind that CRIU cannot save (${path ?? ''}): secret memory or huge pages.`,
    remedy: 'Start the program without it.',
  },
  {
    pattern: /Can't lookup mount=\S+ for fd=(\S+) path=(.*)/,
    cause: 'leakedDescriptor',
    what: ([fd, path]) =>
      `The process has ${path ?? 'a file'} open (descriptor ${fd ?? '?'}), of a file system that it cannot see: inherited from whoever started it, or a message queue.`,
    remedy: 'Start the program so that it inherits no descriptors, as “flick run” does.',
  },
  {
    pattern: /Unsupported proto (\d+)/,
    cause: 'connection',
    what: ([protocol]) =>
      protocol === '262'
        ? 'The process uses Multipath TCP, which CRIU cannot save. Programs in Go do by default.'
        : `The process uses a network protocol that CRIU cannot save (number ${protocol ?? '?'}).`,
    remedy: 'For a Go program set GODEBUG=multipathtcp=0; otherwise use plain TCP or UDP.',
  },
  {
    pattern: /Connected TCP socket|In-flight connection|Can't connect inet socket back/,
    cause: 'connection',
    what: () => 'The process has a TCP connection that could not be saved or taken up again.',
    remedy: 'Wait until its connections are made or closed, then move it again.',
  },
  {
    pattern: /iptables|nftables|Locking network failed|CHAIN_USER_DEL|libnftables/,
    cause: 'networkLock',
    what: () => "The device could not hold the process's network traffic during the move.",
    remedy:
      'Install nftables on the device, and remove left-over rules named CRIU (nft list ruleset).',
  },
  {
    pattern:
      /Can't fork for (\d+): File exists|Pid (\d+) do(?:es)? not match expected|Thread pid mismatch|Unable to create a thread: -17/,
    cause: 'pidTaken',
    what: ([first, second]) =>
      `The process number ${known(first, second)}was taken already in the place that the process came to.`,
    remedy: 'Move it again; should it fail once more, keep the log for a report.',
  },
  {
    pattern: /File (.+) has bad size (\d+) \(expect (\d+)\)/,
    cause: 'fileDiffers',
    what: ([path, has, expected]) =>
      `The file ${path ?? ''} on the target has ${has ?? '?'} bytes, the process knows it with ${expected ?? '?'}.`,
    remedy: 'Something changed the file during the move. Move the process again.',
  },
  {
    pattern: /File (.+) has bad (?:build-ID|mode|CRC|checksum)/i,
    cause: 'fileDiffers',
    what: ([path]) => `The file ${path ?? ''} on the target is not the one that the process uses.`,
    remedy: 'Move it again so that its own file is brought along; or make both files the same.',
  },
  {
    pattern: /Can't link (?:.*link_remap\S*) -> (.+?): /,
    cause: 'fileDeleted',
    what: ([path]) =>
      `The process has the deleted file ${path ?? ''} open, which still exists under another name on the source only.`,
    remedy: 'Let the program close the file, or remove its other names, then move it again.',
  },
  {
    pattern: /Can't create link remap for (.+?)\.? Use/,
    cause: 'fileDeleted',
    what: ([path]) =>
      `The process has the deleted file ${path ?? ''} open, which cannot be taken along.`,
    remedy: 'Let the program close the file, or start it again.',
  },
  {
    pattern: /Can't dump ghost file (.+?) of (\d+) size/,
    cause: 'fileDeleted',
    what: ([path, bytes]) =>
      `The process has the deleted file ${path ?? ''} open, which is too large to be taken along (${bytes ?? '?'} bytes).`,
    remedy: 'Let the program close the file, or start it again.',
  },
  {
    pattern: /Can't open mapped \[(.+?)(?: \(deleted\))?\]/,
    cause: 'fileDeleted',
    what: ([path]) =>
      `The process uses memory of ${path ?? 'a file'}, which was deleted or replaced; only root may save that.`,
    remedy: 'Start the program again if a library was upgraded under it, or log in as root.',
  },
  {
    pattern:
      /Can't dump that handle|Handle \S+ cannot be opened|irmap: Can't stat|fanotify mark|^fsnotify: /,
    cause: 'inotify',
    what: () =>
      'The process watches files for changes in a way that cannot be taken along (inotify on this file system, or without root).',
    remedy:
      'Let the program poll instead (CHOKIDAR_USEPOLLING=1, --watch off) and start it again; or use the devices as root.',
  },
  {
    pattern: /cpu: .*(?:required by image|not supported|mismatch)|FPU feature|Bad XSAVE|xsave/i,
    cause: 'cpu',
    what: () => "The target's processor lacks abilities that the process already uses.",
    remedy: 'Choose a device with a processor at least as new.',
  },
  {
    pattern: /Can't dump file (\d+) of that type \[\d+\] \((?:chr|blk) (\d+:\d+)\)/,
    cause: 'device',
    what: ([fd, device]) =>
      `The process has a device open (descriptor ${fd ?? '?'}, device number ${device ?? '?'}), the state of which cannot be saved.`,
    remedy: 'Let the program close the device, then move it.',
  },
  {
    pattern: /Can't dump file (\d+) of that type \[\d+\] \((?:anon )?(.*)\)/,
    cause: 'unsupportedObject',
    what: ([fd, object]) =>
      `The process holds something that CRIU cannot save (descriptor ${fd ?? '?'}: ${object ?? ''}).`,
    remedy: 'Let the program close it, or start it without the feature that needs it.',
  },
  {
    pattern: /tun: |Can't dump .*(?:tun|tap)/,
    cause: 'device',
    what: () =>
      'The process has a network tunnel open (/dev/net/tun), which belongs to this device.',
    remedy: 'Let the program close the tunnel, then move it.',
  },
  {
    pattern: /Unknown socket collected \(family (\d+)\)|Unsupported socket family:? (\d+)/,
    cause: 'unsupportedObject',
    what: ([first, second]) => {
      const family = first ?? second ?? '';
      return `The process has a socket that CRIU cannot save: ${families.get(family) ?? `family ${family}`}.`;
    },
    remedy: 'Let the program close it, or start it without the feature that needs it.',
  },
  {
    pattern: /pidfd pid (\d+) is not a part of process tree/,
    cause: 'unsupportedObject',
    what: ([pid]) =>
      `The process holds a handle (pidfd) of the process ${pid ?? '?'}, which does not move along.`,
    remedy: 'Move the process that started both.',
  },
  {
    pattern: /SysVIPC shmem map/,
    cause: 'unsupportedObject',
    what: () => 'The process uses System V shared memory, which cannot be taken along.',
    remedy: 'Let the program use other shared memory (PostgreSQL: shared_memory_type = mmap).',
  },
  {
    pattern: /Can't dump nested (\w+) namespace for (\d+)|Can't restore sub-task in NS/,
    cause: 'namespace',
    what: ([kind]) =>
      `A process of the tree lives in a namespace of its own${kind === undefined ? '' : ` (${kind})`}, as sandboxes and browsers make them.`,
    remedy: 'Start the program without its sandbox.',
  },
  {
    pattern: /Can't bind inet socket.*Address already in use/,
    cause: 'portTaken',
    what: () => 'A port that the process listens on is taken on the target.',
    remedy: 'End the program that uses the port there, then move the process again.',
  },
  {
    pattern: /Can't bind inet socket.*Permission denied/,
    cause: 'portTaken',
    what: () => 'The process listens on a port that ordinary users may not use on the target.',
    remedy: 'Log in there as root, or lower its sysctl net.ipv4.ip_unprivileged_port_start.',
  },
  {
    pattern: /Cannot assign requested address/,
    cause: 'addressAbsent',
    what: () => 'The process uses a network address that the target does not have.',
    remedy: 'Let the program listen on all addresses (0.0.0.0 or ::).',
  },
  {
    pattern: /Address family not supported/,
    cause: 'addressAbsent',
    what: () => 'The process uses IPv6, which is switched off on the target.',
    remedy: 'Switch IPv6 on there, or let the program use IPv4 only.',
  },
  {
    pattern: /Can't create (?:inet|packet) sock(?:et)?: Operation not permitted/,
    cause: 'permission',
    what: () => 'The process has a raw network socket, which on the target only root may open.',
    remedy: 'Log in to the target as root.',
  },
  {
    pattern: /Some file locks are hold/,
    cause: 'unsupportedObject',
    what: () => 'The process holds file locks together with a process that does not move along.',
    remedy: 'Move the process that started both, or let it release the locks.',
  },
  {
    pattern: /Timeout reached\. Try to interrupt|Unable to freeze|task(?:s)? didn't freeze/i,
    cause: 'frozenTask',
    what: () =>
      'The process could not be frozen in time: a part of it waits for a device or a network file system.',
    remedy: 'Wait until its disk or network file system answers, then move it again.',
  },
  {
    pattern: /No space left on device|Disk quota exceeded/,
    cause: 'diskSpace',
    what: () => 'The disk is full.',
    remedy: 'Free some space on the device, then move the process again.',
  },
  {
    pattern: /Cannot allocate memory|Out of memory/,
    cause: 'diskSpace',
    what: () => 'The device does not have enough memory for the process.',
    remedy:
      'End other programs on the device, or raise its limits (sysctl vm.overcommit_memory=1).',
  },
  {
    pattern:
      /setgroups|Can't set (?:e|s|fs)?[ug]id|Unable to set real, effective|[ug]id_map|prctl_set_securebits|Can't restore .*creds/i,
    cause: 'userIds',
    what: () => 'The user or groups of the process could not be set on the target.',
    remedy: 'Log in to the target as root, or let the program run as one ordinary user.',
  },
  {
    pattern: /(?:lsm|apparmor|selinux|seccomp): /i,
    cause: 'permission',
    what: () =>
      'The security profile of the process (AppArmor, SELinux or seccomp) could not be restored.',
    remedy: 'Load the same profile on both devices, or start the program without it.',
  },
  {
    pattern:
      /Can't open file (.+?) on restore|Can't find target file (.+)|Can't open (?:file )?(\/.+?): No such file|Can't open \S+ ?(\/\S+).*: No such file/,
    cause: 'fileMissing',
    what: (paths) =>
      `The target does not have ${paths.find((path) => path !== undefined) ?? 'a file'}, which the process uses.`,
    remedy: 'Take it along: --carry with its folder (or the setting flick.carry).',
  },
  {
    pattern:
      /\/proc\/(\d+)\/\S*: No such (?:file|process)|Task (\d+) (?:is dead|exited)|No such process/,
    cause: 'processGone',
    what: ([first, second]) => `The process ${known(first, second)}ended while it was being moved.`,
    remedy: 'Start it again where it is wanted.',
  },
];

function known(...captured: readonly (string | undefined)[]): string {
  const number = captured.find((each) => each !== undefined && each !== '');
  return number === undefined ? '' : `${number} `;
}
