import { lstat, readdir, readlink } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { readEnvironment } from '../../procfs/command.ts';
import { readProcLink } from '../../procfs/read.ts';
import { isInterpreter, programName, scriptOf } from '../../processes/hosts.ts';
import type { ProcessTree, TreeProcess } from '../../processes/tree.ts';
import type { PackageRoot } from './factsSchema.ts';

/** Where counting stops: what is larger is not carried without being asked for. */
const maxFiles = 20_000;
const maxBytes = 256 << 20;
const maxRoots = 64;
const maxLinks = 8;

const markers = [
  'package.json',
  'pyproject.toml',
  'setup.py',
  'requirements.txt',
  'Pipfile',
  'manage.py',
  'Gemfile',
  'composer.json',
  'deno.json',
  '.git',
  '.hg',
];

/** Folders that are every program's and therefore no program's root. */
const shared = new Set(
  (
    '/ /home /root /tmp /var /var/tmp /var/lib /var/www /opt /srv /usr /usr/local /usr/share /usr/lib /usr/bin /usr/sbin ' +
    '/usr/local/bin /usr/local/lib /usr/local/share /bin /sbin /lib /lib64 /etc /run /dev /proc /sys /boot /mnt /media'
  ).split(' '),
);
const systemRoots = /^\/(usr|bin|sbin|lib|lib32|lib64|etc|run|dev|proc|sys|boot)(\/|$)/;

/**
 * Folders that an interpreted program may load more of later: modules, views, assets. For each script the nearest folder
 * above it with a marker of a project; without one the script's own folder. Never `/`, a home or a system folder.
 * Virtual environments of Python count as well.
 * @param command what the root was started with, which need not be what it is now
 */
export async function findPackageRoots(
  tree: ProcessTree,
  command: readonly string[] | undefined,
): Promise<PackageRoot[]> {
  const found = new Map<string, { pid: number; reason: string }>();
  const started = command === undefined ? [] : [{ ...tree.root, args: command }];
  for (const process of [...started, ...tree.processes]) {
    for (const root of await rootsOf(process)) {
      if (!found.has(root.path) && found.size < maxRoots) {
        found.set(root.path, { pid: process.pid, reason: root.reason });
      }
    }
  }
  const paths = [...found.keys()];
  const outer = paths.filter(
    (path) => !paths.some((other) => other !== path && path.startsWith(`${other}/`)),
  );
  const roots: PackageRoot[] = [];
  for (const path of outer) {
    const { pid, reason } = found.get(path) ?? { pid: tree.root.pid, reason: '' };
    roots.push({ pid, path, reason, ...(await measure(`/proc/${pid}/root`, path)) });
  }
  return roots;
}

async function rootsOf(process: TreeProcess): Promise<{ path: string; reason: string }[]> {
  const name = programName(process);
  if (!isInterpreter(name)) return [];
  const view = `/proc/${process.pid}/root`;
  const cwd = (await readProcLink(`/proc/${process.pid}/cwd`)) ?? '/';
  const environment = await readEnvironment(process.pid);
  const homes = new Set([environment?.get('HOME') ?? '', homedir()]);
  const roots: { path: string; reason: string }[] = [];
  const script = scriptOf(process);
  if (script !== undefined) {
    // The program may have changed its folder since it was started with a relative path.
    const path =
      (await withoutLinks(view, resolve(cwd, script))) ??
      (await withoutLinks(view, resolve(environment?.get('PWD') ?? cwd, script)));
    const root = await rootOfScript(view, path, homes);
    if (root !== undefined) roots.push(root);
  } else if (process.args.includes('-m')) {
    const root = await nearestMarked(view, cwd, homes);
    if (root !== undefined) roots.push(root);
  }
  const first = process.args[0] ?? '';
  if (name.startsWith('python') && first.includes('/')) {
    const environmentRoot = dirname(dirname(resolve(cwd, first)));
    if (await exists(join(view, environmentRoot, 'pyvenv.cfg'))) {
      roots.push({ path: environmentRoot, reason: 'pyvenv.cfg' });
    }
  }
  return roots;
}

async function rootOfScript(
  view: string,
  script: string | undefined,
  homes: ReadonlySet<string>,
): Promise<{ path: string; reason: string } | undefined> {
  if (script === undefined) return undefined;
  const folder = dirname(script);
  const marked = await nearestMarked(view, folder, homes);
  if (marked !== undefined) return marked;
  if (shared.has(folder) || homes.has(folder) || systemRoots.test(folder)) return undefined;
  return { path: folder, reason: "the script's folder" };
}

async function nearestMarked(
  view: string,
  folder: string,
  homes: ReadonlySet<string>,
): Promise<{ path: string; reason: string } | undefined> {
  for (let at = folder; !shared.has(at) && !homes.has(at) && at !== '.'; at = dirname(at)) {
    // A package among others is not the project: the project is above node_modules.
    if (basename(dirname(at)) === 'node_modules' && !systemRoots.test(at)) continue;
    for (const marker of markers) {
      if (await exists(join(view, at, marker))) return { path: at, reason: marker };
    }
  }
  return undefined;
}

/** Follows a script that is itself a link, as programs in `node_modules/.bin` are; undefined when it is not there. */
async function withoutLinks(view: string, path: string): Promise<string | undefined> {
  let at = path;
  for (let links = 0; links < maxLinks; links += 1) {
    const stats = await lstat(join(view, at)).catch(() => undefined);
    if (stats === undefined) return undefined;
    if (!stats.isSymbolicLink()) return at;
    const target = await readlink(join(view, at)).catch(() => undefined);
    if (target === undefined) return undefined;
    at = resolve(dirname(at), target);
  }
  return undefined;
}

/** Counts a folder without leaving its file system or following links. */
async function measure(
  view: string,
  path: string,
): Promise<{ files: number; bytes: number; complete: boolean }> {
  const top = await lstat(join(view, path)).catch(() => undefined);
  let files = 0;
  let bytes = 0;
  const pending = [path];
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    const entries = await readdir(join(view, folder), { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      const stats = await lstat(join(view, folder, entry.name)).catch(() => undefined);
      if (stats === undefined || stats.dev !== top?.dev) continue;
      if (stats.isDirectory()) {
        pending.push(join(folder, entry.name));
        continue;
      }
      files += 1;
      bytes += stats.size;
      if (files > maxFiles || bytes > maxBytes) return { files, bytes, complete: false };
    }
  }
  return { files, bytes, complete: true };
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
