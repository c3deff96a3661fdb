import { readProc } from './read.ts';

/** One line of /proc/PID/mountinfo (proc_pid_mountinfo(5)). */
export interface Mount {
  readonly id: number;
  readonly parent: number;
  /** `major:minor` of st_dev, decimal. */
  readonly device: string;
  /** Path inside the file system that is mounted. */
  readonly root: string;
  /** Where, as the process sees it. */
  readonly point: string;
  /** The mount itself, or the file system behind it. */
  readonly readOnly: boolean;
  readonly type: string;
  readonly source: string;
  readonly superOptions: readonly string[];
}

/** Space, tab, line break, `#` and backslash are printed as three octal digits. */
export function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

export function parseMounts(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const each of text.split('\n')) {
    const words = each.split(' ');
    const separator = words.indexOf('-', 6);
    const [id, parent, device, root, point, options] = words;
    const type = words[separator + 1];
    const source = words[separator + 2];
    if (separator < 0 || type === undefined || source === undefined) continue;
    if (device === undefined || root === undefined || point === undefined) continue;
    mounts.push({
      id: Number(id),
      parent: Number(parent),
      device,
      root: unescapeOctal(root),
      point: unescapeOctal(point),
      readOnly: isReadOnly(options) || isReadOnly(words[separator + 3]),
      type,
      source: unescapeOctal(source),
      superOptions: (words[separator + 3] ?? '').split(',').map(unescapeOctal),
    });
  }
  return mounts;
}

function isReadOnly(options: string | undefined): boolean {
  return options?.split(',').includes('ro') ?? false;
}

/** undefined when the process is gone or not ours to look into. */
export async function readMounts(pid: number | 'self'): Promise<Mount[] | undefined> {
  const text = await readProc(`/proc/${pid}/mountinfo`);
  return text === undefined ? undefined : parseMounts(text);
}
