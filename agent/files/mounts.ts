import type { Mount } from '../procfs/mounts.ts';
import { isBelow } from './manifest.ts';

/** The mounts that a path can reach: those below a later mount are hidden, and of a stack only the top is seen. */
export function visibleMounts(mounts: readonly Mount[]): Mount[] {
  const ids = new Set(mounts.map((mount) => mount.id));
  const order = new Map(mounts.map((mount, index) => [mount, index]));
  const isLater = (a: Mount, b: Mount): boolean => (order.get(a) ?? 0) > (order.get(b) ?? 0);
  const children = new Map<number, Mount[]>();
  for (const mount of mounts) {
    if (!ids.has(mount.parent) || mount.parent === mount.id) continue;
    children.set(mount.parent, [...(children.get(mount.parent) ?? []), mount]);
  }
  const root = mounts.find(
    (mount) => mount.point === '/' && (!ids.has(mount.parent) || mount.parent === mount.id),
  );
  if (root === undefined) return [];
  const visible: Mount[] = [];
  const visit = (mount: Mount): void => {
    const mine = children.get(mount.id) ?? [];
    const cover = mine.find((child) => child.point === mount.point);
    if (cover !== undefined) {
      visit(cover);
      return;
    }
    visible.push(mount);
    for (const child of mine) visit(child);
  };
  visit(root);
  // A mount deeper in an outer mount is hidden when a sibling higher up was mounted over it.
  return visible.filter(
    (mount) =>
      !visible.some(
        (other) =>
          other !== mount &&
          other.parent === mount.parent &&
          isLater(other, mount) &&
          mount.point !== other.point &&
          isBelow(mount.point, other.point),
      ),
  );
}

/** The visible mount that a plain path lies on. */
export function mountOf(visible: readonly Mount[], path: string): Mount | undefined {
  return visible
    .filter((mount) => isBelow(path, mount.point))
    .sort((a, b) => b.point.length - a.point.length)[0];
}
