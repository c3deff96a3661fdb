import { readProc } from './read.ts';

/** One line of /proc/PID/maps (proc_pid_maps(5)). */
export interface Mapping {
  readonly start: bigint;
  readonly end: bigint;
  readonly readable: boolean;
  readonly writable: boolean;
  readonly executable: boolean;
  readonly shared: boolean;
  readonly offset: bigint;
  /** `major:minor` in hexadecimal, as the file has it. */
  readonly device: string;
  /** 0 for anonymous memory. */
  readonly inode: string;
  /**
   * As the kernel prints it: a path, possibly with ` (deleted)` behind it, or `[heap]` and the like, or empty. A line
   * break in a path is printed as `\012`, other characters as they are, so a backslash is ambiguous.
   */
  readonly name: string;
}

const line =
  /^([0-9a-f]+)-([0-9a-f]+) ([r-])([w-])([x-])([ps]) ([0-9a-f]+) ([0-9a-f]+:[0-9a-f]+) (\d+) *(.*)$/;

export function parseMaps(text: string): Mapping[] {
  const mappings: Mapping[] = [];
  for (const each of text.split('\n')) {
    const match = line.exec(each);
    if (match === null) continue;
    const [, start, end, r, w, x, s, offset, device, inode, name] = match;
    mappings.push({
      start: BigInt(`0x${start ?? '0'}`),
      end: BigInt(`0x${end ?? '0'}`),
      readable: r === 'r',
      writable: w === 'w',
      executable: x === 'x',
      shared: s === 's',
      offset: BigInt(`0x${offset ?? '0'}`),
      device: device ?? '0:0',
      inode: inode ?? '0',
      name: name ?? '',
    });
  }
  return mappings;
}

/** undefined when the process is gone or not ours to look into. */
export async function readMaps(pid: number): Promise<Mapping[] | undefined> {
  const text = await readProc(`/proc/${pid}/maps`);
  return text === undefined ? undefined : parseMaps(text);
}

/** Name of the mapping's link in /proc/PID/map_files (proc_pid_map_files(5)). */
export function mapFileName(mapping: Mapping): string {
  return `${mapping.start.toString(16)}-${mapping.end.toString(16)}`;
}

/** Undoes the one escape of the file; wrong only for paths that hold a backslash followed by `012`. */
export function unescapeMapName(name: string): string {
  return name.replaceAll('\\012', '\n');
}
