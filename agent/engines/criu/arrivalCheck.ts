import { stat } from 'node:fs/promises';
import { arch, release } from 'node:os';
import type { EngineStatus, Finding } from '../../../protocol/index.ts';
import { readCpuFlags } from '../../procfs/cpu.ts';
import { eachOf, readProc } from '../../procfs/read.ts';
import { arrivingPorts } from './arrivalPorts.ts';
import { compareVersions } from './binary.ts';
import { missingFeatures } from './cpuFeatures.ts';
import type { CriuFacts } from './factsSchema.ts';
import { count, enumerate, label, shownPath, size } from './words.ts';

export interface ArrivalCircumstances {
  /** The receiving user. */
  readonly uid: number;
  /** Folder of the agent, whose file system takes the images and the layers. */
  readonly flickHome: string;
  /** Whether cells are user namespaces here (ordinary users). */
  readonly userNamespaces: boolean;
  readonly engine: EngineStatus;
  /** Files that will have to be sent, in bytes. */
  readonly missingBytes: number;
  readonly freeBytes: number;
}

/** The part of a finding that differs; the side is always the target. */
export type Arriving = Omit<Finding, 'side' | 'pid'>;

/** Space that images, logs and layers take beside memory and files, in bytes. */
const overhead = 32 << 20;

/** The target's half of the check: whether a tree with these facts can live on this device. */
export async function checkArrival(facts: CriuFacts, on: ArrivalCircumstances): Promise<Finding[]> {
  const found: Arriving[] = [
    ...on.engine.findings.map(({ cause, severity, what, remedy }) => ({
      cause,
      severity,
      what,
      remedy,
    })),
    ...(await machine(facts)),
    ...identity(facts, on),
    ...(await arrivingPorts(facts, on.uid)),
    ...(await space(facts, on)),
    ...(await kernelFiles(facts)),
  ];
  const rank = { blocks: 0, warns: 1, notes: 2 } as const;
  return found
    .map((each): Finding => ({ ...each, side: 'target' }))
    .sort((a, b) => rank[a.severity] - rank[b.severity]);
}

async function machine(facts: CriuFacts): Promise<Arriving[]> {
  if (facts.architecture !== arch()) {
    return [
      {
        cause: 'architecture',
        severity: 'blocks',
        what: `This device has a processor of another kind (${arch()}) than the process was started on (${shownPath(facts.architecture)}); memory cannot go on there.`,
        remedy: `Choose a device with an ${shownPath(facts.architecture)} processor.`,
      },
    ];
  }
  const findings: Arriving[] = [];
  const missing = missingFeatures(arch(), facts.cpuFlags, await readCpuFlags());
  if (missing.length > 0) {
    findings.push({
      cause: 'cpu',
      severity: 'blocks',
      what: `The processor of this device lacks abilities that the process may be using already: ${missing.slice(0, 12).join(', ')}${missing.length > 12 ? ', …' : ''}. It could stop with an illegal instruction at any time.`,
      remedy:
        'Choose a device with a processor at least as new, or start the program on this device and move it from here.',
    });
  }
  const [source, target] = [facts.kernel, release()].map(
    (text) => /^\d+\.\d+/.exec(text)?.[0] ?? '0',
  );
  if (compareVersions(target ?? '0', source ?? '0') < 0) {
    findings.push({
      cause: 'architecture',
      severity: 'notes',
      what: `Linux ${target ?? ''} here is older than ${source ?? ''} where the process runs. That mostly works; where it does not, the move fails and the process stays where it is.`,
    });
  }
  return findings;
}

function identity(facts: CriuFacts, on: ArrivalCircumstances): Arriving[] {
  if (on.uid === 0) return [];
  const findings: Arriving[] = [];
  const gids = new Set(facts.processes.flatMap((process) => process.gids));
  if (facts.userIds.length > 1 || gids.size > 1) {
    const ids = facts.userIds.length > 1 ? facts.userIds : [...gids];
    findings.push({
      cause: 'userIds',
      severity: 'blocks',
      what: `The process runs as several ${facts.userIds.length > 1 ? 'users' : 'groups'} (ids ${enumerate(ids.map(String))}); on this device you are one ordinary user, and only one can be given to it.`,
      remedy: 'Log in to this device as root, or let the program run as one user.',
    });
  } else if (facts.processes.some((process) => process.groups.some((gid) => !gids.has(gid)))) {
    findings.push({
      cause: 'userIds',
      severity: 'notes',
      what: 'The process belongs to further groups where it runs; here it has the groups of your user.',
    });
  }
  if (facts.watches.some((watch) => watch.kind === 'fanotify')) {
    findings.push({
      cause: 'inotify',
      severity: 'blocks',
      what: 'The process watches whole file systems (fanotify), which on this device only root may do.',
      remedy: 'Log in to this device as root.',
    });
  }
  return findings;
}

async function space(facts: CriuFacts, on: ArrivalCircumstances): Promise<Arriving[]> {
  const findings: Arriving[] = [];
  const ghosts = facts.openFiles
    .filter((file) => file.deleted && file.linkCount === 0)
    .reduce((sum, file) => sum + file.size, 0);
  const needed = on.missingBytes + facts.memoryBytes + ghosts + overhead;
  if (needed > on.freeBytes) {
    findings.push({
      cause: 'diskSpace',
      severity: 'blocks',
      what: `The disk of this device has ${size(on.freeBytes)} free at ${shownPath(on.flickHome)}; the process needs about ${size(needed)} (${size(facts.memoryBytes)} of memory and ${size(on.missingBytes + ghosts)} of files).`,
      remedy: 'Free some space on the device, or move FLICK_HOME to a larger disk.',
    });
  }
  const memory = (await readProc('/proc/meminfo')) ?? '';
  const kilobytes = (field: string): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(memory)?.[1] ?? 0);
  const available = (kilobytes('MemAvailable') + kilobytes('SwapFree')) * 1024;
  if (available > 0 && facts.memoryBytes > available) {
    // There is no cause of its own for memory: to a person both are "not enough room".
    findings.push({
      cause: 'diskSpace',
      severity: 'warns',
      what: `The process uses ${size(facts.memoryBytes)} of memory; this device has ${size(available)} available. The kernel may end it, or others, for want of memory.`,
      remedy: 'End other programs on the device first.',
    });
  }
  return findings;
}

/** Open files of trees that do not travel because the kernel makes them: they must be here too. */
async function kernelFiles(facts: CriuFacts): Promise<Arriving[]> {
  const own = new Set(facts.processes.map((process) => process.nsPid));
  const files = facts.openFiles.filter(
    (file) => /^\/(proc|sys|dev)\//.test(file.path) && !file.path.startsWith('/dev/shm/'),
  );
  const missing = await eachOf(files.slice(0, 1000), async (file) => {
    const process = /^\/proc\/(\d+)/.exec(file.path)?.[1];
    if (file.deleted || (process !== undefined && own.has(Number(process)))) return undefined;
    const there = await stat(file.path).then(
      () => true,
      () => false,
    );
    return there ? undefined : file;
  });
  const gone = missing.filter((file) => file !== undefined);
  const [first] = gone;
  if (first === undefined) return [];
  return [
    {
      cause: 'fileMissing',
      severity: 'blocks',
      what: `${label(facts, first.pid)} has ${count(gone.length, 'file')} of its device's kernel open that this one does not have: ${enumerate(gone.map((file) => shownPath(file.path)))}.`,
      remedy:
        'Let the program close it, or choose a device with the same hardware and kernel settings.',
    },
  ];
}
