import { readProc } from './read.ts';

/** /proc/PID/status (proc_pid_status(5)), the fields that Flick uses. */
export interface ProcessStatus {
  /** One letter, as in stat. */
  readonly state: string;
  /** Real, effective, saved and file-system id, as the reader's user namespace sees them. */
  readonly uids: readonly number[];
  readonly gids: readonly number[];
  readonly groups: readonly number[];
  /** PID of the debugger, 0 without one. */
  readonly tracer: number;
  /** PID in each PID namespace from the reader's to the innermost. */
  readonly nsPids: readonly number[];
  /** 0 none, 1 strict, 2 filter (seccomp(2)). */
  readonly seccomp: number;
  readonly rssBytes: number;
  /** Effective capabilities as a bit set (capabilities(7)). */
  readonly capabilities: bigint;
}

/** Line breaks in the name are escaped by the kernel there, so lines can be trusted. */
export function parseStatus(text: string): ProcessStatus | undefined {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    const key = line.slice(0, colon);
    if (colon > 0 && !fields.has(key)) fields.set(key, line.slice(colon + 1).trim());
  }
  const numbers = (key: string): number[] =>
    (fields.get(key) ?? '')
      .split(/\s+/)
      .filter((word) => /^\d+$/.test(word))
      .map(Number);
  const state = fields.get('State')?.charAt(0);
  if (state === undefined || !fields.has('Uid')) return undefined;
  const capabilities = fields.get('CapEff');
  return {
    state,
    uids: numbers('Uid'),
    gids: numbers('Gid'),
    groups: numbers('Groups'),
    tracer: numbers('TracerPid')[0] ?? 0,
    nsPids: numbers('NSpid'),
    seccomp: numbers('Seccomp')[0] ?? 0,
    rssBytes: (numbers('VmRSS')[0] ?? 0) * 1024,
    capabilities:
      capabilities !== undefined && /^[0-9a-f]+$/.test(capabilities)
        ? BigInt(`0x${capabilities}`)
        : 0n,
  };
}

export async function readStatus(pid: number, tid?: number): Promise<ProcessStatus | undefined> {
  const folder = tid === undefined ? `/proc/${pid}` : `/proc/${pid}/task/${tid}`;
  const text = await readProc(`${folder}/status`);
  return text === undefined ? undefined : parseStatus(text);
}
