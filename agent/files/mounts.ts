import { isBelow } from './manifest.ts';

/** One line of /proc/PID/mountinfo (proc_pid_mountinfo(5)). */
export interface Mount {
  readonly id: number;
  readonly parent: number;
  readonly mountPoint: string;
  readonly type: string;
  readonly source: string;
  readonly readOnly: boolean;
}

/** Lines that are not understood are left out. */
export function parseMountinfo(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split('\n')) {
    const fields = line.split(' ');
    const dash = fields.indexOf('-', 6);
    const [id, parent, , , mountPoint, options] = fields;
    const [type, source, superOptions] = dash < 0 ? [] : fields.slice(dash + 1);
    if (mountPoint === undefined || options === undefined || type === undefined) continue;
    mounts.push({
      id: Number(id),
      parent: Number(parent),
      mountPoint: unescape(mountPoint),
      type,
      source: unescape(source ?? ''),
      readOnly: has(options, 'ro') || has(superOptions ?? '', 'ro'),
    });
  }
  return mounts;
}

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
    (mount) => mount.mountPoint === '/' && (!ids.has(mount.parent) || mount.parent === mount.id),
  );
  if (root === undefined) return [];
  const visible: Mount[] = [];
  const visit = (mount: Mount): void => {
    const mine = children.get(mount.id) ?? [];
    const cover = mine.find((child) => child.mountPoint === mount.mountPoint);
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
          mount.mountPoint !== other.mountPoint &&
          isBelow(mount.mountPoint, other.mountPoint),
      ),
  );
}

/** The visible mount that a plain path lies on. */
export function mountOf(visible: readonly Mount[], path: string): Mount | undefined {
  return visible
    .filter((mount) => isBelow(path, mount.mountPoint))
    .sort((a, b) => b.mountPoint.length - a.mountPoint.length)[0];
}

/** Space, tab, newline and backslash are written in octal. */
function unescape(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

function has(options: string, option: string): boolean {
  return options.split(',').includes(option);
}
