import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { explainFailure } from '../../../../agent/engines/criu/explain.ts';
import type { Cause } from '../../../../protocol/index.ts';

/** Lines that CRIU wrote, from real logs and from the issues that PREFLIGHT's table was made of. */
const messages: readonly (readonly [Cause, string, says?: RegExp])[] = [
  ['ioUring', "Can't dump file 12 of that type [600] (anon anon_inode:[io_uring])"],
  ['ioUring', 'send_fds failed (-22)'],
  ['ioUring', 'Unknown shit 600 (anon_inode:[io_uring])'],
  ['criuTooOld', 'vdso: Unexpected rt vDSO area bounds'],
  ['criuTooOld', "Can't get 1:16 opt"],
  ['permission', 'CRIU needs to have the CAP_SYS_ADMIN or the CAP_CHECKPOINT_RESTORE capability:'],
  ['traced', 'Unable to detach from 4711: No such process', /4711/],
  ['unixSocket', 'unix: External socket is used. Consider using --ext-unix-sk option.'],
  ['unixSocket', "unix: Can't dump half of stream unix connection."],
  [
    'notLeader',
    'The root process 13191 is not a session leader. Consider using --shell-job option',
    /13191/,
  ],
  ['notLeader', 'A session leader of 1(1) is outside of its pid namespace'],
  ['terminal', 'tty: Found slave peer index 0 without correspond master peer'],
  ['terminal', 'tty: Unable to open dev/ptmx with specified index 3'],
  ['terminal', "tty: Don't have tty to inherit session from, aborting"],
  [
    'leakedDescriptor',
    "Can't lookup mount=24 for fd=0 path=/dev/null",
    /\/dev\/null .*descriptor 0/,
  ],
  ['unsupportedObject', "Can't lookup mount=15 for fd=3 path=/secretmem (deleted)"],
  ['connection', 'inet: Connected TCP socket, consider using --tcp-established option.'],
  ['connection', 'inet: In-flight connection (l) for 12'],
  ['connection', 'inet: Unsupported proto 262 for socket 27c2d', /Multipath/],
  ['networkLock', 'net: Locking network failed: iptables-restore returned -1.'],
  ['pidTaken', "Can't fork for 2: File exists", /number 2 /],
  ['pidTaken', 'Pid 17 do not match expected 12'],
  ['fileDiffers', 'File /usr/bin/node has bad size 12 (expect 97)', /12 bytes.*97/],
  ['fileDiffers', 'File usr/lib/libc.so.6 has bad build-ID length 0 (expect 20)'],
  ['fileDiffers', 'File tmp/x has bad mode 0100644 (expect 0100600)'],
  [
    'fileMissing',
    "Can't open file srv/app/data.db on restore: No such file or directory",
    /srv\/app\/data\.db/,
  ],
  ['fileDeleted', "Can't create link remap for /tmp/a. Use --link-remap option."],
  [
    'fileDeleted',
    "Can't dump ghost file /tmp/big of 9999999999 size, increase limit",
    /9999999999/,
  ],
  [
    'fileDeleted',
    "Can't link tmp/cx/link_remap.23 -> tmp/cx/l1: No such file or directory",
    /tmp\/cx\/l1/,
  ],
  [
    'fileDeleted',
    "Can't open mapped [/dev/shm/sem.WA4UGf (deleted)]: No such file or directory",
    /\/dev\/shm\/sem\.WA4UGf,/,
  ],
  ['inotify', "fsnotify: \tCan't dump that handle"],
  ['inotify', 'fsnotify: Handle 0x801:0x12 cannot be opened'],
  ['cpu', 'cpu: FPU feature required by image is not supported on host'],
  ['device', "Can't dump file 3 of that type [20600] (chr 10:229)", /10:229/],
  [
    'unsupportedObject',
    "Can't dump file 3 of that type [600] (anon anon_inode:[userfaultfd])",
    /userfaultfd/,
  ],
  ['unsupportedObject', 'sockets: BUG! Unknown socket collected (family 40)', /VSOCK/],
  ['unsupportedObject', 'pidfd: pidfd pid 1 is not a part of process tree..'],
  ['unsupportedObject', "Task 6305 with SysVIPC shmem map @7fb808a03000 doesn't live in IPC ns"],
  ['namespace', "Can't dump nested pid namespace for 7703", /pid/],
  ['namespace', "Can't restore sub-task in NS (cflags 40000000)"],
  ['portTaken', "inet: Can't bind inet socket (id 26): Address already in use"],
  ['portTaken', "inet: Can't bind inet socket (id 26): Permission denied"],
  ['addressAbsent', "inet: Can't bind inet socket (id 26): Cannot assign requested address"],
  ['permission', "packet: Can't create packet sock: Operation not permitted"],
  ['frozenTask', 'Timeout reached. Try to interrupt: 0'],
  ['diskSpace', "page-xfer: Can't write pages: No space left on device"],
  ['diskSpace', "Can't mmap anonymous region: Cannot allocate memory"],
  ['userIds', "Can't set supplementary groups: setgroups failed"],
];

describe('explaining a failure of CRIU', () => {
  for (const [cause, message, says] of messages) {
    it(`${cause}: ${message.trim().slice(0, 60)}`, () => {
      const log = [
        '(00.000001) Version: 4.2.1 (gitid 0)',
        "(00.016692) Error (criu/util.c:1534): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted",
        '(00.017000) Error (criu/net.c:1253): net: Unexpected error: -1(Operation not permitted)',
        '(00.020000) 4711 fdinfo 0: pos: 0 flags: 100002/0',
        `(00.038451)   4711: Error (criu/somewhere.c:94): ${message}`,
        '(00.047596) Error (criu/cr-dump.c:1545): Dump files (pid: 4711) failed with -1',
        '(00.047606) Error (criu/cr-dump.c:1975): Dumping FAILED.',
      ].join('\n');
      const explained = explainFailure('dump', log);
      assert.equal(explained.cause, cause);
      assert.match(explained.what, says ?? /./);
      assert.ok(explained.remedy.length > 10);
    });
  }

  it('is honest about what it does not know', () => {
    const log =
      '(00.1) Error (criu/a.c:1): the moon is in the wrong quarter\n(00.2) Error (criu/b.c:2): Restoring FAILED.\n';
    const { cause, what } = explainFailure('restore', log);
    assert.equal(cause, 'criuBroken');
    assert.match(what, /CRIU stopped at: the moon is in the wrong quarter$/);
    assert.match(explainFailure('restore', '').what, /did not say why/);
  });

  it('reads what CRIU prints when it has no log yet', () => {
    const printed =
      'CRIU needs to have the CAP_SYS_ADMIN or the CAP_CHECKPOINT_RESTORE capability: \nsetcap cap_checkpoint_restore+eip criu\n';
    assert.equal(explainFailure('dump', printed).cause, 'permission');
  });

  it('takes logs of 50 MB and garbage, and lets nothing through to a terminal', function () {
    this.timeout(60_000);
    const line = '(00.020000) 4711 fdinfo 0: pos: 0 flags: 100002/0\n';
    const end = "(00.1) Error (criu/a.c:1): Can't open file tmp/\u001b[2Jx on restore: No such\n";
    const explained = explainFailure('restore', line.repeat(1_000_000) + end);
    assert.equal(explained.cause, 'fileMissing');
    assert.ok(explained.what.includes('\\x1b[2J'));
    // Of the processor's time: on a busy machine all takes longer.
    const started = process.cpuUsage();
    explainFailure('dump', randomBytes(4 << 20).toString('latin1'));
    explainFailure('dump', `Error (${'('.repeat(1 << 20)}`);
    explainFailure('dump', `Error (a): ${"Can't open ".repeat(1 << 16)}`);
    assert.ok(process.cpuUsage(started).user < 3_000_000);
  });
});
