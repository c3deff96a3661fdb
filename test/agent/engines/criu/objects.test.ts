import assert from 'node:assert/strict';
import { explainFailure } from '../../../../agent/engines/criu/explain.ts';
import type { Cause } from '../../../../protocol/index.ts';
import { skip } from '../../../support/skip.ts';
import { dump, findingsOf, hold, python, whyNoDumps } from './holding.ts';

/** Things that move: no finding may block them, and CRIU dumps them. */
const movable: Readonly<Record<string, string>> = {
  'nothing special': '',
  epoll: 'import select\ne = select.epoll(); r, w = os.pipe(); e.register(r)',
  eventfd: 'f = check(libc.eventfd(3, 0))',
  timerfd: 'f = check(libc.timerfd_create(1, 0))',
  signalfd: 'm = (ctypes.c_ulong * 16)(); f = check(libc.signalfd(-1, m, 0))',
  'a pipe with data': 'r, w = os.pipe(); os.write(w, b"x" * 1000)',
  'a pipe to a child': 'r, w = os.pipe()\nif os.fork() == 0:\n  os.close(w); os.read(r, 1)\n',
  'a named pipe': 'os.mkfifo("fifo"); f = os.open("fifo", os.O_RDWR)',
  'a socketpair': 'a, b = socket.socketpair(); a.send(b"hi")',
  'a unix socket to itself':
    's = socket.socket(socket.AF_UNIX); s.bind("s"); s.listen(); c = socket.socket(socket.AF_UNIX); c.connect("s"); d, _ = s.accept()',
  'a unix socket with spaces and digits in its name':
    's = socket.socket(socket.AF_UNIX); s.bind("a 12 b 34"); s.listen(); c = socket.socket(socket.AF_UNIX); c.connect("a 12 b 34"); d, _ = s.accept()',
  'an abstract unix socket':
    's = socket.socket(socket.AF_UNIX); s.bind("\\0flick-%d" % os.getpid()); s.listen()',
  'a memory file': 'f = os.memfd_create("x"); os.write(f, b"y" * 5000)',
  'a deleted file': 'f = open("gone", "w+"); f.write("z" * 1000); f.flush(); os.unlink("gone")',
  'a mapped deleted file':
    'f = open("gone", "w+b"); f.write(b"z" * 8192); f.flush(); m = mmap.mmap(f.fileno(), 8192); f.close(); os.unlink("gone")',
  'a POSIX semaphore': 'from multiprocessing import Semaphore\ns = Semaphore(1)',
  'file locks':
    'f = open("a", "w"); fcntl.flock(f, fcntl.LOCK_EX); g = open("b", "w"); fcntl.lockf(g, fcntl.LOCK_EX)',
  inotify: 'f = check(libc.inotify_init()); check(libc.inotify_add_watch(f, b".", 0xfff))',
  'a listening socket': 's = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()',
  'an unconnected socket': 's = socket.socket()',
  'UDP sockets':
    's = socket.socket(2, 2); s.bind(("127.0.0.1", 0)); t = socket.socket(2, 2); t.connect(s.getsockname())',
  netlink: 's = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0); s.bind((0, 0))',
  'asynchronous I/O': 'c = ctypes.c_ulong(0); call(206, 8, ctypes.byref(c))',
  'shared anonymous memory': 'm = mmap.mmap(-1, 8192)',
  'a pidfd of a child': 'p = os.fork()\nif p == 0:\n  time.sleep(1000)\nf = os.pidfd_open(p)',
  'its own namespaces': 'f = os.open("/proc/self/ns/net", 0); g = os.open("/proc/self/ns/pid", 0)',
  'files of /proc': 'f = open("/proc/self/status"); g = open("/proc/meminfo")',
  'devices of the kernel': 'f = open("/dev/null"); g = open("/dev/urandom"); h = open("/dev/zero")',
  'an ended child': 'if os.fork() == 0: os._exit(3)',
  'a deleted working directory':
    'ready(); os.mkdir("d"); os.chdir("d"); os.rmdir("../d"); time.sleep(1000)',
  threads:
    'for _ in range(3): threading.Thread(target=lambda: time.sleep(1000), daemon=True).start()',
  'a huge reservation': 'check(libc.mmap(None, ctypes.c_size_t(1 << 40), 0, 0x4022, -1, 0))',
  'a stop': 'ready(); os.kill(os.getpid(), signal.SIGSTOP)',
  'a pty with a program on it': 'import pty\np, f = pty.fork()\nif p == 0: time.sleep(1000)\n',
  'files with hostile names':
    'names = ["a b", "new\\nline", "really (deleted)"]\nfiles = [open(n, "w") for n in names]\nfor n in names:\n  f = open(n + ".map", "w+b"); f.write(b"z" * 4096); f.flush(); mmap.mmap(f.fileno(), 4096)',
};

/** Things that do not move: the finding that must block, and the cause that the log must be read as. */
const stuck: Readonly<Record<string, readonly [code: string, cause: Cause, logged?: Cause]>> = {
  io_uring: ['p = ctypes.create_string_buffer(120); f = call(425, 4, p)', 'ioUring'],
  userfaultfd: ['f = call(323, 1)', 'unsupportedObject'],
  'a performance counter': [
    'a = struct.pack("IIQQQQQ", 1, 112, 0, 0, 0, 0, 0).ljust(112, b"\\0"); f = call(298, a, 0, -1, -1, 0)',
    'unsupportedObject',
  ],
  'secret memory': ['f = call(447, 0)', 'unsupportedObject'],
  'a memory file of huge pages': ['f = check(libc.memfd_create(b"h", 4))', 'unsupportedObject'],
  'a BPF map': [
    'a = struct.pack("IIII", 2, 4, 4, 4).ljust(120, b"\\0"); f = call(321, 0, a, 120)',
    'unsupportedObject',
  ],
  'a Landlock rule set': ['a = struct.pack("Q", 1); f = call(444, a, 8, 0)', 'unsupportedObject'],
  'a message queue': [
    'rt = ctypes.CDLL("librt.so.1"); n = b"/flick-%d" % os.getpid(); f = check(rt.mq_open(n, 0x42, 0o600, None)); rt.mq_unlink(n)',
    'leakedDescriptor',
  ],
  'System V shared memory': [
    'i = check(libc.shmget(0, 4096, 0o1600)); libc.shmat(i, None, 0); libc.shmctl(i, 0, None)',
    'unsupportedObject',
  ],
  'a device': ['f = os.open("/dev/fuse", os.O_RDWR)', 'device'],
  'a serial port': ['f = os.open("/dev/ttyS0", os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY)', 'device'],
  'a tunnel': ['f = os.open("/dev/net/tun", os.O_RDWR)', 'device'],
  'a pidfd of a stranger': ['f = os.pidfd_open(1)', 'unsupportedObject'],
  'Multipath TCP': [
    's = socket.socket(2, 1, 262); s.bind(("127.0.0.1", 0)); s.listen()',
    'connection',
  ],
  'inotify on a file system without handles': [
    'f = check(libc.inotify_init()); check(libc.inotify_add_watch(f, b"/proc/sys", 0xfff))',
    'inotify',
  ],
  'a file of a mount that is gone': [
    'os.mkdir("m"); check(libc.mount(b"none", b"m", b"tmpfs", 0, None)); f = open("m/x", "w"); check(libc.umount2(b"m", 2))',
    'leakedDescriptor',
  ],
  'a process of another user, for a root without CAP_SYS_RESOURCE': [
    'if int(next(l for l in open("/proc/self/status") if l.startswith("CapEff")).split()[1], 16) >> 24 & 1: sys.exit(1)\np = os.fork()\nif p == 0:\n  os.setgid(65534); os.setuid(65534); time.sleep(1000)\nwhile os.stat("/proc/%d" % p).st_uid != 65534: time.sleep(0.01)',
    'permission',
  ],
  'a nested host name': [
    'if os.fork() == 0:\n  check(libc.unshare(0x04000000)); ready(); time.sleep(1000)\ntime.sleep(0.5)',
    'namespace',
  ],
  'a nested user namespace': [
    'if os.fork() == 0:\n  check(libc.unshare(0x10000000)); ready(); time.sleep(1000)\ntime.sleep(0.5)',
    'namespace',
  ],
};

describe('what a process holds', () => {
  before(function () {
    if (python === undefined) skip(this, 'no python3 on this machine');
  });

  for (const [name, code] of Object.entries(movable)) {
    it(`${name}: moves`, async function () {
      this.timeout(60_000);
      const held = await holdOrSkip(this, code);
      try {
        const findings = await findingsOf(held.pid);
        const blocking = findings.filter((each) => each.severity === 'blocks');
        assert.deepEqual(blocking, []);
        if (whyNoDumps() === undefined) {
          const { ok, log } = dump(held);
          assert.ok(
            ok,
            log
              .split('\n')
              .filter((line) => line.includes('Error'))
              .join('\n'),
          );
        }
      } finally {
        held.end();
      }
    });
  }

  for (const [name, [code, cause, logged]] of Object.entries(stuck)) {
    it(`${name}: is refused as ${cause}`, async function () {
      this.timeout(60_000);
      const held = await holdOrSkip(this, code);
      try {
        const findings = await findingsOf(held.pid);
        const blocking = findings.filter((each) => each.severity === 'blocks');
        assert.deepEqual([...new Set(blocking.map((each) => each.cause))], [cause]);
        assert.ok(
          blocking.every(
            (each) =>
              (each.remedy !== undefined && each.what.includes(`(${held.pid}`)) ||
              each.what.includes('python'),
          ),
        );
        if (whyNoDumps() === undefined) {
          const { ok, log } = dump(held);
          assert.equal(ok, false, 'CRIU dumps it, so that nothing should be said');
          assert.equal(explainFailure('dump', log).cause, logged ?? cause);
        }
      } finally {
        held.end();
      }
    });
  }
});

/** Not every kernel has every object. */
async function holdOrSkip(test: Mocha.Context, code: string): ReturnType<typeof hold> {
  try {
    return await hold(code);
  } catch (error) {
    return skip(test, `this machine cannot make it: ${String(error)}`);
  }
}
