import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { checkArrival } from '../../../../agent/engines/criu/arrivalCheck.ts';
import { missingFeatures } from '../../../../agent/engines/criu/cpuFeatures.ts';
import type { CriuFacts } from '../../../../agent/engines/criu/factsSchema.ts';
import type { EngineStatus, Finding } from '../../../../protocol/index.ts';
import { factsOf } from './holding.ts';

const engine: EngineStatus = { engine: 'criu', available: true, version: '4.2.1', findings: [] };
const here = {
  uid: 0,
  flickHome: '/tmp',
  userNamespaces: false,
  engine,
  missingBytes: 0,
  freeBytes: 1e12,
};

describe('the check of the target', () => {
  let facts: CriuFacts;
  before(async () => {
    // This process itself, made plain: what it listens on or has open is not what is looked at.
    const own = await factsOf(process.pid);
    facts = { ...own, listening: [], connections: [], openFiles: [], watches: [] };
  });
  const check = (changed: Partial<CriuFacts>, on: Partial<typeof here> = {}): Promise<Finding[]> =>
    checkArrival({ ...facts, ...changed }, { ...here, ...on });
  const only = (findings: readonly Finding[]): Finding => {
    assert.equal(findings.length, 1, JSON.stringify(findings));
    const [found] = findings;
    assert.ok(found !== undefined);
    assert.equal(found.side, 'target');
    return found;
  };

  it('has nothing to say about a process of this very device', async () => {
    assert.deepEqual(await check({}), []);
  });

  it('refuses another architecture and a lesser processor', async () => {
    assert.equal(only(await check({ architecture: 'mips' })).cause, 'architecture');
    const lesser = only(await check({ cpuFlags: [...facts.cpuFlags, 'amx_tile', 'avx512_fp16'] }));
    assert.equal(lesser.cause, 'cpu');
    assert.equal(lesser.severity, 'blocks');
    assert.deepEqual(missingFeatures('x64', ['erms', 'md_clear', 'avx2'], new Set(['sse2'])), [
      'avx2',
    ]);
    assert.deepEqual(missingFeatures('arm64', ['sve', 'cpuid', 'fp'], new Set(['fp'])), ['sve']);
  });

  it('notes an older kernel', async () => {
    const found = only(await check({ kernel: '99.1.0-generic' }));
    assert.equal(found.severity, 'notes');
  });

  it('says who has a port', async () => {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    const wants = (where: string): Promise<Finding[]> =>
      check({
        listening: [{ protocol: 'tcp', address: where, port: address.port, pid: process.pid }],
      });
    try {
      for (const where of ['127.0.0.1', '0.0.0.0', '::']) {
        const found = only(await wants(where));
        assert.equal(found.cause, 'portTaken');
        assert.match(found.what, new RegExp(`port ${address.port}.*node.*\\(${process.pid}\\)`));
      }
      assert.deepEqual(await wants('127.0.0.2'), []);
      assert.deepEqual(await wants('::1'), []);
    } finally {
      server.close();
    }
  });

  it('refuses addresses that are not here and low ports of ordinary users', async () => {
    const at = (address: string, port: number): Partial<CriuFacts> => ({
      listening: [{ protocol: 'tcp', address, port, pid: process.pid }],
    });
    assert.equal(only(await check(at('203.0.113.7', 27113))).cause, 'addressAbsent');
    assert.deepEqual(await check(at('224.0.0.251', 27113)), []);
    assert.deepEqual(await check(at('0.0.0.0', 27113)), []);
    const low = only(await check(at('0.0.0.0', 81), { uid: 1000 }));
    assert.match(low.remedy ?? '', /ip_unprivileged_port_start=81/);
    const datagram = {
      pid: process.pid,
      fd: 3,
      protocol: 'udp' as const,
      local: '203.0.113.7:40000',
      remote: '203.0.113.8:53',
      state: 'ESTABLISHED',
      inside: false,
    };
    assert.equal(only(await check({ connections: [datagram] })).cause, 'addressAbsent');
    assert.deepEqual(await check({ connections: [{ ...datagram, protocol: 'tcp' }] }), []);
  });

  it('counts space, and memory', async () => {
    const found = only(await check({ memoryBytes: 5e8 }, { missingBytes: 1e9, freeBytes: 1.2e9 }));
    assert.equal(found.cause, 'diskSpace');
    assert.match(found.what, /1\.2 GB free.*1\.5 GB.*500 MB of memory.*1\.0 GB of files/);
    const memory = only(await check({ memoryBytes: 9e15 }, { freeBytes: 1e17 }));
    assert.equal(memory.severity, 'warns');
  });

  it('gives an ordinary user one identity only', async () => {
    assert.equal(only(await check({ userIds: [0, 33] }, { uid: 1000 })).cause, 'userIds');
    assert.deepEqual(await check({ userIds: [0, 33] }), []);
    assert.deepEqual(await check({ userIds: [33] }, { uid: 1000 }), []);
  });

  it('misses files that only the kernel makes', async () => {
    const file = {
      pid: process.pid,
      fd: 3,
      kind: 'file' as const,
      pos: 0,
      flags: 0,
      size: 0,
      mode: 0o100444,
      writable: false,
      append: false,
      deleted: false,
      linkCount: 1,
      locked: false,
    };
    const found = only(await check({ openFiles: [{ ...file, path: '/sys/class/led/none' }] }));
    assert.equal(found.cause, 'fileMissing');
    assert.deepEqual(await check({ openFiles: [{ ...file, path: '/proc/meminfo' }] }), []);
    const own = `/proc/${facts.processes[0]?.nsPid ?? 0}/stat`;
    assert.deepEqual(await check({ openFiles: [{ ...file, path: own }] }), []);
  });

  it("passes on what is wrong with the target's CRIU", async () => {
    const wrong = {
      cause: 'criuMissing',
      severity: 'blocks',
      side: 'source',
      what: 'none',
    } as const;
    const found = only(
      await check({}, { engine: { ...engine, available: false, findings: [wrong] } }),
    );
    assert.equal(found.cause, 'criuMissing');
  });
});
