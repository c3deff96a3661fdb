import { basename } from 'node:path';
import { run } from '../../device/run.ts';
import { printable, readArguments } from '../../procfs/command.ts';
import { readManagerPath } from '../../procfs/cgroup.ts';
import { readStat } from '../../procfs/stat.ts';
import { isHost, programName } from '../../processes/hosts.ts';
import type { ProcessTree } from '../../processes/tree.ts';
import type { Supervisor } from './factsSchema.ts';

interface KnownProgram {
  readonly pattern: RegExp;
  readonly name: string;
  readonly stop: string;
}

/** Programs that start what they look after again, recognised by their command line. */
const programs: readonly KnownProgram[] = [
  { pattern: /^PM2 |\bpm2\b.*(God|Daemon)/i, name: 'pm2', stop: 'pm2 stop NAME' },
  { pattern: /(^|[\s/])nodemon(\.js)?(\s|$)/, name: 'nodemon', stop: 'end nodemon' },
  { pattern: /(^|[\s/])forever(\/bin\/monitor|\s|$)/, name: 'forever', stop: 'forever stop NAME' },
  { pattern: /(^|[\s/])supervisord(\s|$)/, name: 'supervisord', stop: 'supervisorctl stop NAME' },
  { pattern: /^runsv\s/, name: 'runit', stop: 'sv stop NAME' },
  { pattern: /(^|[\s/])s6-supervise\s/, name: 's6', stop: 's6-svc -d FOLDER' },
  { pattern: /(^|[\s/])supervise(-daemon)?\s/, name: 'supervise', stop: 'stop the service' },
  {
    pattern: /(^|[\s/])(watchexec|entr|air|cargo-watch|reflex)\s/,
    name: 'a file watcher',
    stop: 'end the file watcher',
  },
  {
    pattern: /\s--watch(\s|=|-)|\btsx\s+watch\b|(^|[\s/])ts-node-dev(\s|$)/,
    name: 'a file watcher',
    stop: 'end the file watcher',
  },
  { pattern: /(^|[\s/])circusd(\s|$)/, name: 'circus', stop: 'circusctl stop NAME' },
];

/** A container's cgroup as the common runtimes name it, with its id. */
const container =
  /(?:docker[-/]|libpod-|cri-containerd-|crio-|kubepods[^/]*\/(?:.*\/)?|lxc\.payload\.|machine-)([\w.-]+?)(?:\.scope)?(?:\/|$)/;

/** Who would notice that the tree has gone, and perhaps start it again: a second copy. null when nobody would. */
export async function findSupervisor(tree: ProcessTree): Promise<Supervisor | null> {
  return (await byCgroup(tree)) ?? (await byAncestors(tree));
}

async function byCgroup(tree: ProcessTree): Promise<Supervisor | null> {
  const path = (await readManagerPath(tree.root.pid)) ?? '/';
  const own = (await readManagerPath('self')) ?? '/';
  // In the agent's own service, container or session there is nobody who looks after this process in particular.
  if (path === own) return null;
  const contained = container.exec(path)?.[1];
  if (contained !== undefined && container.exec(own)?.[1] !== contained) {
    const short = contained.slice(0, 12);
    return {
      kind: 'container',
      name: printable(short),
      pid: null,
      restarts: null,
      stop: path.includes('libpod') ? `podman stop ${short}` : `docker stop ${short}`,
    };
  }
  const unit = serviceOf(path);
  return unit === undefined || unit === serviceOf(own) ? null : describeUnit(tree, unit, path);
}

/** The innermost service of a cgroup path; session scopes and the user's own manager are no services. */
export function serviceOf(path: string): string | undefined {
  const parts = path.split('/').filter((part) => part !== '');
  const last = parts.findLast((part) => /\.(service|scope)$/.test(part));
  if (last === undefined || last.endsWith('.scope') || /^user@\d+\.service$/.test(last)) {
    return undefined;
  }
  return last;
}

async function describeUnit(
  tree: ProcessTree,
  unit: string,
  path: string,
): Promise<Supervisor | null> {
  const user = /\/user@\d+\.service\//.test(path) ? ['--user'] : [];
  const stop = ['systemctl', ...user, 'stop', unit].join(' ');
  const { code, stdout } = await run(
    ['systemctl', ...user, 'show', '--property=MainPID,Restart', '--', unit],
    { timeoutMs: 5_000 },
  );
  const main = Number(/^MainPID=(\d+)$/m.exec(stdout)?.[1] ?? 0);
  const restart = /^Restart=(\S+)$/m.exec(stdout)?.[1];
  const known = code === 0 && restart !== undefined;
  const restarts = known ? restart !== 'no' : null;
  const isMain = main > 0 && tree.processes.some((process) => process.pid === main);
  // Things that a service merely started (a shell of sshd, a job of cron) are nobody's main process.
  if (known && main > 0 && !isMain) return null;
  if (!known && tree.root.parent !== 1) return null;
  return { kind: 'systemd', name: printable(unit), pid: main > 0 ? main : null, restarts, stop };
}

async function byAncestors(tree: ProcessTree): Promise<Supervisor | null> {
  let pid = tree.root.parent;
  for (let distance = 0; pid > 1 && distance < 32; distance += 1) {
    const stat = await readStat(pid);
    const args = await readArguments(pid);
    if (stat === undefined || args === undefined || pid === process.pid) return null;
    const program = { comm: stat.comm, args };
    const line = args.slice(0, 4).join(' ');
    const match = programs.find((each) => each.pattern.test(line));
    if (match !== undefined) {
      return { kind: 'program', name: match.name, pid, restarts: true, stop: match.stop };
    }
    if (distance === 0 && isMaster(program, tree)) {
      const name = printable(programName(program));
      return { kind: 'master', name, pid, restarts: null, stop: `kill ${pid}` };
    }
    if (isHost(program)) return null;
    pid = stat.parent;
  }
  return null;
}

/** A server and its workers are the same program; the server starts a new worker for one that is gone. */
function isMaster(
  parent: { readonly comm: string; readonly args: readonly string[] },
  tree: ProcessTree,
): boolean {
  const root = tree.root;
  if (isHost(parent) || parent.args.length === 0) return false;
  const same = programName(parent) === programName(root) && root.args.length > 0;
  const script = (args: readonly string[]): string => basename(args[1] ?? '');
  return same && script(parent.args) === script(root.args);
}
