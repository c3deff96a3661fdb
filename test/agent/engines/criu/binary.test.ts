import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { arch, tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { describeDevice } from '../../../../agent/device/describe.ts';
import { compareVersions, criuState, parseVersion } from '../../../../agent/engines/criu/binary.ts';
import { deviceDescription } from '../../../../protocol/index.ts';
import { requireProvisioned } from '../../../support/provisioned.ts';
import { skip } from '../../../support/skip.ts';

describe('choosing CRIU', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'flick-criu-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });
  const fake = (where: string, version: string, check: string): string => {
    mkdirSync(join(folder, where), { recursive: true });
    const path = join(folder, where, 'criu');
    writeFileSync(
      path,
      `#!/bin/sh\nif [ "$1" = --version ]; then echo "Version: ${version}"; exit 0; fi\n${check}\n`,
      { mode: 0o755 },
    );
    return path;
  };
  const fails = 'echo "Error (criu/x.c:1): the kernel is odd" >&2; exit 1';

  it('reads and compares versions', () => {
    assert.equal(parseVersion('Version: 4.2.1\nGitID: v4.2.1\n'), '4.2.1');
    assert.equal(parseVersion('bash: criu: not found'), undefined);
    assert.ok(compareVersions('4.2', '4.10') < 0);
    assert.ok(compareVersions('4.2.1', '4.2') > 0);
    assert.equal(compareVersions('4.2', '4.2.0'), 0);
  });

  it('uses the one that works here', async function () {
    if (process.getuid?.() !== 0) skip(this, 'not root');
    const criu = requireProvisioned(this, 'criu');
    const state = await criuState({ flickHome: folder, environment: { FLICK_CRIU: criu } });
    assert.equal(state.status.available, true);
    assert.equal(state.binary?.path, criu);
  });

  it('refuses one that is too old for the kernel, with the remedy', async function () {
    const old = requireProvisioned(this, 'criu-old');
    const { status } = await criuState({ flickHome: folder, environment: { FLICK_CRIU: old } });
    assert.equal(status.available, false);
    assert.deepEqual(
      status.findings.map((each) => each.cause),
      ['criuTooOld'],
    );
    assert.match(status.findings[0]?.what ?? '', /3\.17.*too old for Linux/);
    assert.match(status.findings[0]?.remedy ?? '', /flick device setup/);
  });

  it('prefers the newest that works to a newer that does not', async () => {
    const works = fake('bin', '90.1', 'exit 0');
    fake('criu', '91.0', fails);
    const state = await criuState({
      flickHome: folder,
      environment: { PATH: `${join(folder, 'bin')}:/nowhere:relative` },
    });
    assert.equal(state.binary?.path, works);
    assert.equal(state.status.available, true);
  });

  it('says what is broken, keeps it, and looks again when asked', async function () {
    if (process.getuid?.() !== 0) skip(this, 'not root');
    const path = fake('bin', '90.1', fails);
    const probe = { flickHome: folder, environment: { FLICK_CRIU: path } };
    const [found] = (await criuState(probe)).status.findings;
    assert.equal(found?.cause, 'criuBroken');
    assert.match(found.what, /the kernel is odd/);
    fake('bin', '90.1', 'exit 0');
    assert.equal((await criuState(probe)).status.available, false);
    assert.equal((await criuState(probe, true)).status.available, true);
  });

  it('says when there is none', async () => {
    const { status, binary } = await criuState({
      flickHome: folder,
      environment: { FLICK_CRIU: join(folder, 'none') },
    });
    assert.equal(binary, undefined);
    assert.equal(status.findings[0]?.cause, 'criuMissing');
  });
});

describe('describing the device', () => {
  it('is what the protocol promises', async () => {
    const hello = {
      protocol: 1,
      build: '',
      version: '',
      deviceId: '',
      bootId: '',
      pid: 1,
      socket: '',
    };
    const described = await describeDevice(hello, '/does/not/exist');
    assert.deepEqual(v.parse(deviceDescription, described), described);
    assert.equal(described.architecture, arch());
    assert.ok(described.freeDiskBytes > 0);
    assert.notEqual(described.distribution, '');
  });
});
