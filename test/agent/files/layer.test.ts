import assert from 'node:assert/strict';
import { chmod, chown, lstat, mkdir, readFile, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { collectEntries } from '../../../agent/files/collect.ts';
import { canHoldLayer, overlayOf, planLayer } from '../../../agent/files/layer.ts';
import { layerChanges } from '../../../agent/files/layerChanges.ts';
import { LayerWriter } from '../../../agent/files/layerWriter.ts';
import type { FileEntry } from '../../../agent/files/manifest.ts';
import { visibleMounts } from '../../../agent/files/mounts.ts';
import { parseMounts } from '../../../agent/procfs/mounts.ts';
import { fileOf, folderOf, isRoot, listing, put, run, scratch } from './support.ts';

const device = String.raw`22 27 0:21 / /proc rw,relatime - proc proc rw
24 27 0:6 / /dev rw,relatime - devtmpfs devtmpfs rw
25 24 0:23 / /dev/shm rw,relatime - tmpfs tmpfs rw
26 24 0:24 / /dev/pts rw,relatime - devpts devpts rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
28 27 0:25 / /mnt/read\040only ro,nosuid - tmpfs none ro,size=4k
30 25 0:27 / /dev/shm rw,relatime - tmpfs tmpfs rw
31 27 0:40 / /home rw - xfs /dev/vdb rw
32 27 0:41 / /boot/efi rw - vfat /dev/vdc rw
33 27 254:0 /x /etc/hosts rw - ext4 /dev/vda rw
34 31 0:42 / /home/dev/.flick/x rw - tmpfs tmpfs rw
35 27 0:43 / /run rw - tmpfs tmpfs rw
36 35 0:44 / /run/user/1000 rw - tmpfs tmpfs rw
37 27 0:45 / /mnt rw - overlay overlay rw
`;

describe('the layer of a cell', () => {
  let root = '';
  let discard = async (): Promise<void> => undefined;
  beforeEach(async () => ({ root, discard } = await scratch()));
  afterEach(() => discard());

  it('puts an overlay over every real, writable, visible mount', () => {
    const isDirectory = (path: string): boolean => path !== '/etc/hosts';
    const plan = planLayer(device, '/home/dev/.flick', '/home/dev/.flick/l', { isDirectory });
    assert.deepEqual(
      plan.overlays.map((each) => each.mountPoint),
      ['/', '/dev/shm', '/home', '/mnt', '/run', '/run/user/1000'],
    );
    assert.equal(new Set(plan.overlays.map((each) => each.upper)).size, 6);
    assert.equal(overlayOf(plan, '/home/dev/x')?.mountPoint, '/home');
    assert.equal(overlayOf(plan, '/homes')?.mountPoint, '/');
    assert.equal(overlayOf(plan, '/boot/efi/x'), undefined);
    assert.equal(overlayOf(plan, '/dev/shm/x')?.mountPoint, '/dev/shm');
    // /mnt was mounted over it later.
    assert.ok(!visibleMounts(parseMounts(device)).some((m) => m.point === '/mnt/read only'));
    assert.equal(canHoldLayer(device, '/home/dev'), true);
    assert.equal(canHoldLayer(device, '/mnt/x'), false);
  });

  it('layers a read-only mount when something must be placed there', () => {
    const mounts = device.split('\n').slice(0, -2).join('\n');
    const needed = ['/mnt/read only/x'];
    const options = { isDirectory: () => true, needed };
    const points = planLayer(mounts, '/f', '/f/l', options).overlays.map((o) => o.mountPoint);
    assert.ok(points.includes('/mnt/read only'));
  });

  /** A device with `/data -> srv`, `/srv` (mode 1750), and a layer over all of it. */
  async function layered(): Promise<{
    base: string;
    layer: string;
    plan: Parameters<typeof LayerWriter.open>[0];
  }> {
    const [base, layer] = [join(root, 'base'), join(root, 'layer')];
    await put(join(base, 'srv/own'), 'own');
    await put(join(base, 'srv/doomed'), 'doomed');
    await put(join(base, 'opaque/old'), 'old');
    await symlink('srv', join(base, 'data'));
    await chmod(join(base, 'srv'), 0o1750);
    const overlays = [{ mountPoint: '/', upper: join(layer, 'upper'), work: join(layer, 'work') }];
    return { base, layer, plan: { overlays, bare: [] } };
  }

  async function place(writer: LayerWriter, entry: FileEntry, content: string): Promise<void> {
    const incoming = await writer.create(entry);
    await incoming.write(Buffer.from(content), 0);
    await incoming.accept();
  }

  it('places files, links and deletions, and never through a link that came along', async () => {
    const { base, layer, plan } = await layered();
    const writer = await LayerWriter.open(plan, { base });
    await writer.place({ ...folderOf('/'), kind: 'symlink', path: '/evil', target: root });
    await assert.rejects(writer.create(fileOf('/evil/pwned', 'x')), { reason: 'transferFailed' });
    await assert.rejects(writer.place(folderOf('/evil/sub')), { reason: 'transferFailed' });
    await place(writer, fileOf('/srv/a b\nc', 'one', { mode: 0o6751 }), 'one');
    await place(writer, fileOf('/data/through', 'two'), 'two');
    await writer.place(folderOf('/made', 0o555));
    await place(writer, fileOf('/made/x', 'three'), 'three');
    await writer.place({ kind: 'deleted', path: '/srv/doomed', role: 'carried' });
    await writer.place({ kind: 'deleted', path: '/srv/never-was', role: 'carried' });
    const dropped = await writer.create(fileOf('/srv/dropped', 'four'));
    await dropped.discard();
    await writer.seal();
    await writer.close();
    assert.deepEqual(await listing(join(layer, 'upper')), {
      '/evil': '?',
      '/made': '/',
      '/made/x': 'three',
      '/srv': '/',
      '/srv/a b\nc': 'one',
      '/srv/doomed': '?',
      '/srv/through': 'two',
    });
    const status = await stat(join(layer, 'upper/srv/a b\nc'));
    assert.equal(status.mode & 0o7777, 0o751);
    assert.equal(status.mtimeMs, 1_700_000_000_000);
    assert.equal((await stat(join(layer, 'upper/srv'))).mode & 0o7777, 0o1750);
    assert.equal(
      (await stat(join(layer, 'upper/made'))).mode & 0o7777 & (isRoot ? 0o7777 : 0o77),
      isRoot ? 0o555 : 0o55,
    );
    const whiteout = await lstat(join(layer, 'upper/srv/doomed'));
    assert.ok(whiteout.isCharacterDevice() && whiteout.rdev === 0);
    assert.deepEqual(await listing(join(base, 'srv')), { '/doomed': 'doomed', '/own': 'own' });
  });

  it('shows the right view when it is mounted, and tells what the process has changed', async function () {
    if (!isRoot) this.skip();
    this.timeout(20_000);
    const { base, layer, plan } = await layered();
    const writer = await LayerWriter.open(plan, { base });
    const arrived = [
      folderOf('/srv', 0o1750),
      fileOf('/srv/app.log', 'a\n'),
      fileOf('/srv/gone', 'g'),
    ];
    await place(writer, fileOf('/srv/app.log', 'a\n'), 'a\n');
    await place(writer, fileOf('/srv/gone', 'g'), 'g');
    await writer.place({ kind: 'deleted', path: '/srv/doomed', role: 'carried' });
    await writer.seal();
    await writer.close();
    const view = join(root, 'view');
    await mkdir(view);
    const script = `set -e
      mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work,index=on,nfs_export=on" "$3"
      cd "$3"; ls srv | tr '\\n' ' '; cat data/app.log
      echo b >> srv/app.log; rm srv/gone srv/own; mkdir srv/new; echo n > "srv/new/x y"
      rm -r opaque; mkdir opaque; echo n > opaque/new
      echo ready; read -r _`;
    const holder = run('unshare', ['-m', 'bash', '-c', script, 'bash', base, layer, view]);
    let output = '';
    await new Promise<void>((resolve, reject) => {
      holder.child.stdout?.on('data', (chunk: string) => {
        output += chunk;
        if (output.includes('ready')) resolve();
      });
      holder.child.on('close', () => {
        reject(new Error('the overlay was not mounted'));
      });
    });
    try {
      assert.equal(output, 'app.log gone own a\nready\n');
      const seen = `/proc/${holder.child.pid ?? 0}/root${view}`;
      const changes = await layerChanges(plan, arrived, seen, { base });
      assert.deepEqual(changes.created, ['/opaque/new', '/srv/new', '/srv/new/x y']);
      assert.deepEqual(changes.changed, ['/srv/app.log']);
      assert.deepEqual(changes.deleted, ['/opaque/old', '/srv/doomed', '/srv/gone', '/srv/own']);
      const described = changes.entries.find((each) => each.path === '/srv/app.log');
      assert.ok(described?.kind === 'file' && described.size === 4 && described.role === 'carried');
      const again = await collectEntries(seen, {
        ...{ mapped: [], open: ['/srv/app.log'], carry: [], cwds: [] },
      });
      assert.equal(again.entries.length, 2);
    } finally {
      holder.child.stdin?.end('\n');
      await holder.catch(() => undefined);
    }
    assert.equal(await readFile(join(base, 'srv/own'), 'utf8'), 'own');
  });

  it('works for an ordinary user in a user namespace', async function () {
    if (!isRoot) this.skip();
    this.timeout(30_000);
    const [base, layer] = [join(root, 'base'), join(root, 'layer')];
    await put(join(base, 'home/theirs'), 'theirs');
    await mkdir(layer);
    await chown(layer, 65_534, 65_534);
    const drop = ['--reuid=65534', '--regid=65534', '--clear-groups'];
    const program = [process.execPath, '--import', 'tsx'];
    const script = new URL('userLayer.ts', import.meta.url).pathname;
    const placed = await run('setpriv', [...drop, ...program, script, layer, base]);
    assert.equal(placed.stdout, '[]');
    const status = await stat(join(layer, 'upper/dev/a'));
    assert.deepEqual([status.uid, status.mode & 0o7777], [65_534, 0o755]);
    const mount = `mount -t overlay overlay -o "lowerdir=$1/home,upperdir=$2/upper,workdir=$2/work,userxattr" "$1/home" &&
      cd "$1/home" && ls -A && cat dev/a`;
    const seen = await run('setpriv', [
      ...drop,
      ...['unshare', '-Urm', 'bash', '-c', mount, 'bash', base, layer],
    ]);
    assert.equal(seen.stdout, 'dev\ncarried');
  });

  it('says how much a full disk lacks', async function () {
    if (!isRoot) this.skip();
    const layer = join(root, 'small');
    await mkdir(layer);
    await run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', layer]);
    try {
      const overlays = [{ mountPoint: '/', upper: `${layer}/upper`, work: `${layer}/work` }];
      const writer = await LayerWriter.open({ overlays, bare: [] }, { base: root });
      await assert.rejects(writer.reserve(5_000_000), {
        reason: 'diskFull',
        message: /^The disk is full: .* needs 5\.0 MB, 1\.0 MB are free\.$/,
      });
      const incoming = await writer.create(fileOf('/big', '', { size: 4_000_000 }));
      await assert.rejects(incoming.write(Buffer.alloc(2_000_000, 1), 0), {
        reason: 'diskFull',
        message: /^The disk is full: \/big needs 4\.0 MB/,
      });
      await incoming.discard();
      assert.deepEqual(await listing(join(layer, 'upper')), {});
      await writer.close();
    } finally {
      await run('umount', [layer]);
    }
  });
});
