import assert from 'node:assert/strict';
import type { Device } from '../../client/device.ts';
import { capsuleGroupRow, capsuleReport, capsuleRow } from '../../extension/model/capsuleRow.ts';
import { ElementStore, isElement } from '../../extension/views/elements.ts';
import { processOf } from '../../extension/moves/plan.ts';
import type { CapsuleInfo } from '../../protocol/index.ts';

const now = new Date(2026, 3, 5, 14, 30).getTime();

function capsule(changes: Partial<CapsuleInfo> = {}): CapsuleInfo {
  return {
    id: 'c-0123456789',
    name: 'before the upgrade',
    savedAt: now - 60_000,
    device: { deviceId: 'd-1', hostName: 'alpha.lan' },
    process: { id: 'p-0123456789', name: 'web', command: ['node', 'server.js'], cwd: '/srv/web' },
    parent: null,
    engine: 'criu',
    sizeBytes: 98 << 20,
    ...changes,
  };
}

const listed = (info: CapsuleInfo): { id: string; info: CapsuleInfo } => ({ id: info.id, info });

describe('capsule rows', () => {
  it('show the name, when, from where, the size and the parent', () => {
    const row = capsuleRow(listed(capsule({ parent: 'c-aaaaaaaaaa' })), () => 'the first', now);
    assert.equal(row.label, 'before the upgrade');
    assert.equal(row.description, '14:29 · alpha.lan · 98 MB · after the first');
    assert.match(row.context, /^capsule whole$/);
    assert.match(row.tooltip(), /`node server\.js`/);
    assert.match(row.tooltip(), /Parent \| the first/);
  });

  it('offer of a damaged capsule nothing but to remove it', () => {
    const row = capsuleRow({ id: 'c-0123456789', damage: 'It is *damaged*.' }, String, now);
    assert.equal(row.context, 'capsule damaged');
    assert.equal(row.description, 'damaged');
    assert.equal(row.tooltip(), String.raw`It is \*damaged\*\.`);
  });

  it('keep what a capsule is called from becoming Markdown', () => {
    const name = '[x](command:evil) <b>';
    const row = capsuleRow(listed(capsule({ name })), String, now);
    assert.doesNotMatch(row.tooltip(), /(?<!\\)\]\(/);
    assert.doesNotMatch(row.tooltip(), /(?<!\\)<b/);
  });

  it('say why there is nothing below the group', () => {
    assert.equal(capsuleGroupRow('none saved yet').description, 'none saved yet');
    assert.equal(capsuleGroupRow(undefined).context, 'capsules');
  });

  it('are told in full in a report', () => {
    const report = capsuleReport(
      {
        ...capsule(),
        pauseMs: 180,
        needs: { architecture: 'x64', kernel: '6.18.0' },
        ports: [{ protocol: 'tcp', address: '0.0.0.0', port: 8080 }],
        imageBytes: 60 << 20,
        fileBytes: 38 << 20,
        files: 89,
        largestFiles: [{ path: '/usr/lib/libx.so', size: 5 << 20, sha256: '0'.repeat(64) }],
        ownBytes: 20 << 20,
      },
      String,
    );
    assert.match(report, /^# before the upgrade\n/);
    for (const text of ['180 ms', 'x64, saved on Linux', '`tcp 0.0.0.0:8080`', '89, 38 MB']) {
      assert.ok(report.includes(text), text);
    }
    assert.match(report, /- `\/usr\/lib\/libx\.so` 5\.0 MB/);
  });
});

describe('capsule elements', () => {
  const fake = { name: 'alpha', processes: [], state: { kind: 'connected' } };
  const group = new ElementStore().device(fake as unknown as Device).capsules;

  it('stay the same objects while their capsules do, and know each other’s names', () => {
    group.update([listed(capsule()), { id: 'c-bbbbbbbbbb', damage: 'gone' }]);
    const [first, second] = group.listed ?? [];
    assert.equal(first?.id, 'device/alpha/capsules/c-0123456789');
    assert.equal(group.nameOf('c-0123456789'), 'before the upgrade');
    assert.equal(group.nameOf('c-bbbbbbbbbb'), 'c-bbbbbbbbbb');
    group.update([listed(capsule({ name: 'another' }))]);
    assert.deepEqual(group.listed, [first]);
    assert.equal(group.nameOf('c-0123456789'), 'another');
    assert.ok(isElement(first) && isElement(group) && isElement(second));
  });

  it('are no processes that could be dragged', () => {
    for (const each of [group, ...(group.listed ?? [])]) assert.equal(processOf(each), undefined);
  });
});
