import assert from 'node:assert/strict';
import { managerPath, parseCgroup } from '../../../agent/procfs/cgroup.ts';
import { commandLine, printable, splitArguments } from '../../../agent/procfs/command.ts';
import { parseCpuFlags } from '../../../agent/procfs/cpu.ts';
import { inodeOf, parseDescriptorInfo } from '../../../agent/procfs/descriptors.ts';
import { addressOf, endpoint, parseInet } from '../../../agent/procfs/inet.ts';
import { parseMaps, unescapeMapName } from '../../../agent/procfs/maps.ts';
import { parseMounts } from '../../../agent/procfs/mounts.ts';
import { parseStat, startTime } from '../../../agent/procfs/stat.ts';
import { parseStatus } from '../../../agent/procfs/status.ts';
import { parseUnix } from '../../../agent/procfs/unix.ts';

describe('parsers of /proc', () => {
  it('stat: a comm may hold anything', () => {
    const rest =
      'S 1 4711 4710 34816 4711 4194304 1 0 0 0 7 3 0 0 20 0 6 0 88123 1000 250 18446744073709551615';
    const stat = parseStat(`4711 (a) Z 1 1\n) b) ${rest}\n`);
    assert.equal(stat?.comm, 'a) Z 1 1\n) b');
    assert.deepEqual(
      [stat.state, stat.parent, stat.group, stat.session, stat.threads, stat.startTicks],
      ['S', 1, 4711, 4710, 6, 88123],
    );
    assert.equal(parseStat(''), undefined);
    assert.equal(parseStat('17 (x) S'), undefined);
  });

  it('stat: start times are ticks after boot', () => {
    assert.equal(startTime(1000, 60_000, 1_000_000), 950_000);
  });

  it('status: ids, tracer, namespaces', () => {
    const status = parseStatus(
      'Name:\tx\\nUid:\t9\nState:\tT (stopped)\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t5 27 \nTracerPid:\t77\nNSpid:\t400\t3\nVmRSS:\t  12 kB\nSeccomp:\t2\nCapEff:\t000001ffffffffff\n',
    );
    assert.deepEqual(status, {
      state: 'T',
      uids: [1, 2, 3, 4],
      gids: [5, 6, 7, 8],
      groups: [5, 27],
      tracer: 77,
      nsPids: [400, 3],
      seccomp: 2,
      rssBytes: 12_288,
      capabilities: 0x1ff_ffff_ffffn,
    });
    assert.equal(parseStatus(''), undefined);
  });

  it('maps: paths with spaces, line breaks and false ends', () => {
    const [first, second] = parseMaps(
      '7f00-7f01 r-xp 00001000 08:01 123                        /a b\\012c (deleted)\n7fffffffe000-7ffffffff000 rw-s 00000000 00:00 0 \nnonsense\n',
    );
    assert.equal(first?.name, '/a b\\012c (deleted)');
    assert.equal(unescapeMapName(first.name), '/a b\nc (deleted)');
    assert.deepEqual([first.inode, first.executable, first.shared], ['123', true, false]);
    assert.deepEqual([second?.name, second?.shared, second?.end], ['', true, 0x7ffffffff000n]);
  });

  it('mountinfo: octal escapes and optional fields', () => {
    const [mount] = parseMounts(
      '36 35 98:0 /mnt1 /m\\040n\\134t\\012x ro,noatime master:1 shared:2 - ext3 /dev/r\\040t rw,errors=continue\nshort line\n',
    );
    assert.deepEqual(mount, {
      id: 36,
      parent: 35,
      device: '98:0',
      root: '/mnt1',
      point: '/m n\\t\nx',
      readOnly: true,
      type: 'ext3',
      source: '/dev/r t',
      superOptions: ['rw', 'errors=continue'],
    });
  });

  it('fdinfo: position, octal flags, watches, locks, pidfd, pty', () => {
    const info = parseDescriptorInfo(
      'pos:\t42\nflags:\t02100001\nmnt_id:\t29\nino:\t12\nlock:\t1: POSIX  ADVISORY  WRITE 1 00:01:5 0 EOF\ntty-index:\t7\nPid:\t-1\ninotify wd:1 ino:1f sdev:800001 mask:800afce ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:20\n',
    );
    assert.deepEqual(
      [info.pos, info.flags, info.mountId, info.locks, info.ttyIndex, info.pidOfPidfd],
      [42, 0o2100001, 29, 1, 7, -1],
    );
    assert.deepEqual(info.inotify, [{ inode: 31n, device: 0x800001, hasHandle: true }]);
    assert.equal(inodeOf('socket:[17]', 'socket'), '17');
    assert.equal(inodeOf('/tmp/socket:[17]', 'socket'), undefined);
  });

  it('net: addresses in the byte order of the machine', () => {
    assert.equal(addressOf('0100007F'), '127.0.0.1');
    assert.equal(addressOf('00000000000000000000000001000000'), '::1');
    assert.equal(addressOf('00000000000000000000000000000000'), '::');
    assert.equal(addressOf('0000000000000000FFFF00000100007F'), '127.0.0.1');
    assert.equal(addressOf('B80D0120000000000000000001000000'), '2001:db8::1');
    assert.equal(endpoint('::1', 80), '[::1]:80');
    const [socket] = parseInet(
      'tcp',
      '  sl  local_address rem_address   st\n   0: 00000000:07E8 0100007F:0016 01 00000000:00000000 00:00000000 0000000A  1000        0 1526 1 00000000a141e0a8 100 0 0 10 0\n',
    );
    assert.deepEqual(
      [socket?.localPort, socket?.remotePort, socket?.state, socket?.uid, socket?.inode],
      [2024, 22, 'ESTABLISHED', 1000, '1526'],
    );
  });

  it('net/unix: names with spaces, and lines forged by names', () => {
    const table = parseUnix(
      'Num       RefCount Protocol Flags    Type St Inode Path\n' +
        '0000000000000000: 00000002 00000000 00010000 0001 01 100 /a b c\n' +
        '0000000000000000: 00000003 00000000 00000000 0001 03 101 /evil\n' +
        '0000000000000000: 00000002 00000000 00010000 0001 01 100 /forged\n' +
        '0000000000000000: 00000003 00000000 00000000 0002 01 102\n',
    );
    assert.equal(table.get('100')?.path, '/a b c');
    assert.equal(table.get('100')?.listening, true);
    assert.equal(table.get('101')?.connected, true);
    assert.equal(table.get('102')?.type, 'datagram');
  });

  it('cgroup: the path by which processes are managed', () => {
    const v1 = '9:name=systemd:/user.slice/session-1.scope\n4:memory:/a/b\n0::/\n';
    assert.equal(managerPath(parseCgroup(v1)), '/user.slice/session-1.scope');
    assert.equal(
      managerPath(parseCgroup('0::/system.slice/x:y.service\n')),
      '/system.slice/x:y.service',
    );
    assert.equal(managerPath(parseCgroup('4:memory:/docker/abc\n0::/\n')), '/docker/abc');
    assert.equal(managerPath([]), '/');
  });

  it('cpuinfo: what all processors can do', () => {
    assert.deepEqual([...parseCpuFlags('flags\t\t: a b c\n\nflags\t\t: c b\n')], ['b', 'c']);
    assert.deepEqual([...parseCpuFlags('Features\t: fp asimd\n')], ['fp', 'asimd']);
  });

  it('command lines: split, joined and made printable', () => {
    assert.deepEqual(splitArguments('a\0\0b c\0\0\0'), ['a', '', 'b c']);
    assert.deepEqual(splitArguments(''), []);
    assert.equal(commandLine(['x', 'a\nb', '\u001b[2J'], 'x'), 'x a\\nb \\x1b[2J');
    assert.equal(commandLine([], 'k\n'), '[k\\n]');
    assert.equal(printable('a\u202eb'), 'a\\u202eb');
    assert.equal(commandLine(['x'.repeat(10_000)], 'x').length, 4096);
  });
});
