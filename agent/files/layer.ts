import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { isBelow } from './manifest.ts';
import { parseMounts, type Mount } from '../procfs/mounts.ts';
import { mountOf, visibleMounts } from './mounts.ts';

/** One overlay of a cell: `upper` and `work` lie on the same file system; the lower directory is the mount itself. */
export interface Overlay {
  readonly mountPoint: string;
  readonly upper: string;
  readonly work: string;
}

/** What a cell away from home mounts, and the mounts that stay bare: nothing can be placed on those. */
export interface LayerPlan {
  readonly overlays: readonly Overlay[];
  readonly bare: readonly string[];
}

/**
 * File systems with ordinary files that overlayfs takes as a lower layer. Left out on purpose: the kernel's own
 * (proc, sysfs, cgroup, …), FAT and exFAT (their names ignore case, overlayfs refuses them) and FUSE (refuses other
 * users, root included).
 */
const layered = new Set([
  ...['ext2', 'ext3', 'ext4', 'xfs', 'btrfs', 'f2fs', 'bcachefs', 'zfs', 'jfs', 'nilfs2'],
  ...['reiserfs', 'overlay', 'tmpfs', 'nfs', 'nfs4', '9p', 'virtiofs', 'squashfs', 'erofs'],
]);
/** Those that can hold an upper directory: whiteouts, extended attributes, and none of them remote or an overlay. */
const uppers = new Set([
  'ext2',
  'ext3',
  'ext4',
  'xfs',
  'btrfs',
  'f2fs',
  'bcachefs',
  'zfs',
  'tmpfs',
]);
/** Left as they are: what sockets and devices live in there belongs to the device. */
const never = ['/proc', '/sys', '/dev'];

export interface LayerOptions {
  /** Paths that must be placed: read-only mounts that hold one get an overlay too. */
  readonly needed?: Iterable<string>;
  /** Single files can be mounts too, and have no room for an overlay. Looks at the device when not given. */
  readonly isDirectory?: (path: string) => boolean;
}

/**
 * Which overlays a cell away from home gets: one over every visible mount with real files that can be written, the
 * root first. Only plans: `LayerWriter` makes the directories.
 * @param mountinfo text of /proc/self/mountinfo
 * @param flickHome the agent's own directory: mounts in it belong to Flick and stay
 * @param layerDir where the uppers go; see `canHoldLayer`
 */
export function planLayer(
  mountinfo: string,
  flickHome: string,
  layerDir: string,
  options: LayerOptions = {},
): LayerPlan {
  const isDirectory = options.isDirectory ?? isRealDirectory;
  const visible = visibleMounts(parseMounts(mountinfo));
  const needed = new Set<number>();
  for (const path of options.needed ?? []) {
    const mount = mountOf(visible, path);
    if (mount !== undefined) needed.add(mount.id);
  }
  const takesOverlay = (mount: Mount): boolean =>
    layered.has(mount.type) &&
    (!mount.readOnly || mount.point === '/' || needed.has(mount.id)) &&
    (mount.point === '/dev/shm' || !never.some((tree) => isBelow(mount.point, tree))) &&
    !isBelow(mount.point, flickHome) &&
    !isBelow(mount.point, layerDir) &&
    isDirectory(mount.point);
  const overlays = visible
    .filter(takesOverlay)
    .map(({ point: mountPoint }) => ({
      mountPoint,
      upper: `${layerDir}/${layerName(mountPoint)}/upper`,
      work: `${layerDir}/${layerName(mountPoint)}/work`,
    }))
    .sort((a, b) => (a.mountPoint < b.mountPoint ? -1 : 1));
  const bare = visible.filter((mount) => !takesOverlay(mount)).map((mount) => mount.point);
  return { overlays, bare };
}

/** True when a directory lies on a file system that overlayfs takes as its upper layer (not on another overlay). */
export function canHoldLayer(mountinfo: string, directory: string): boolean {
  const mount = mountOf(visibleMounts(parseMounts(mountinfo)), directory);
  return mount !== undefined && !mount.readOnly && uppers.has(mount.type);
}

/** The overlay that a path falls into; undefined when it lies on a mount that has none. */
export function overlayOf(plan: LayerPlan, path: string): Overlay | undefined {
  let best: Overlay | undefined;
  for (const overlay of plan.overlays) {
    if (!isBelow(path, overlay.mountPoint)) continue;
    if (best === undefined || overlay.mountPoint.length > best.mountPoint.length) best = overlay;
  }
  const covered = best?.mountPoint.length ?? 0;
  const hidden = plan.bare.some((mount) => isBelow(path, mount) && mount.length > covered);
  return hidden ? undefined : best;
}

/** Readable for whoever looks into the layer, and different for different mounts. */
function layerName(mountPoint: string): string {
  if (mountPoint === '/') return 'root';
  const digest = createHash('sha256').update(mountPoint).digest('hex').slice(0, 8);
  // Commas, colons and backslashes have a meaning in overlayfs options.
  return `${mountPoint
    .slice(1)
    .replace(/[^A-Za-z0-9_-]+/g, '-')
    .slice(0, 60)}-${digest}`;
}

function isRealDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
