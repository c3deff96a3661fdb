import assert from 'node:assert/strict';
import { guessPeers, parsePeers } from '../../../../agent/engines/criu/gatherUnix.ts';
import type { UnixEntry } from '../../../../agent/procfs/unix.ts';

const entry = (inode: string, path = '', listening = false): [string, UnixEntry] => [
  inode,
  { inode, type: 'stream', listening, connected: !listening, path },
];
const mine = (
  ...inodes: string[]
): ReadonlyMap<string, { pid: number; fd: number; inode: string; flags: number }> =>
  new Map(inodes.map((inode) => [inode, { pid: 1, fd: 3, inode, flags: 0 }]));

describe('who is at the other end of a unix socket', () => {
  it('is read from ss, whatever the names are', () => {
    const table = new Map([entry('100', '/a 12 b 34'), entry('101'), entry('12', '/x')]);
    const peers = parsePeers(
      'u_str ESTAB 0      0      /a 12 b 34 100            * 101  \nu_str ESTAB 0      0      * 101 * 100\nu_str LISTEN 0 5 /x 12 * 0\nnonsense 5\n',
      table,
    );
    assert.equal(peers.get('100'), '101');
    assert.equal(peers.get('101'), '100');
    assert.equal(peers.get('12'), '0');
  });

  it('is guessed without ss: socketpairs and own listeners are inside', () => {
    const pair = new Map([entry('100'), entry('101')]);
    assert.deepEqual(guessPeers(mine('100', '101'), pair), []);
    const served = new Map([entry('50', '/s', true), entry('60'), entry('90', '/s')]);
    assert.deepEqual(guessPeers(mine('50', '60', '90'), served), []);
    const outside = new Map([entry('60')]);
    assert.deepEqual(guessPeers(mine('60'), outside), [{ inode: '60', peer: undefined }]);
  });
});
