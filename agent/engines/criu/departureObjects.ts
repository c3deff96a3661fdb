import type { CriuFacts, UnsupportedObject } from './factsSchema.ts';
import type { Departing, DepartureCircumstances } from './departureCheck.ts';
import { count, enumerate, label, labelOf, shownPath, size } from './words.ts';

/** CRIU is given this limit for deleted files (`--ghost-limit`, commands.ts), in bytes. */
const ghostLimit = 4 * 2 ** 30;

/** Descriptors, mappings and files that CRIU refuses, or that the process will miss. */
export function departingObjects(facts: CriuFacts, on: DepartureCircumstances): Departing[] {
  // An ordinary user's CRIU has its rights in the cell only; a process outside a cell is dumped by root's.
  const unprivileged = on.uid !== 0 && on.inCell;
  return [
    ...unsupported(facts),
    ...pidfds(facts),
    ...leaked(facts),
    ...watches(facts, unprivileged),
    ...deleted(facts, unprivileged),
    ...foreignProc(facts),
    ...pipes(facts),
  ];
}

function unsupported(facts: CriuFacts): Departing[] {
  const groups = new Map<string, UnsupportedObject[]>();
  for (const each of facts.unsupported) {
    // Descriptor and mapping of an io_uring are one thing to a person.
    const key = `${each.pid} ${each.cause}`;
    groups.set(key, [...(groups.get(key) ?? []), each]);
  }
  return [...groups.values()].flatMap((group): Departing[] => {
    const [first] = group;
    if (first === undefined) return [];
    const who = label(facts, first.pid);
    const things = enumerate(group.map((each) => shownPath(each.what)));
    switch (first.cause) {
      case 'ioUring':
        return [
          {
            cause: 'ioUring',
            severity: 'blocks',
            what: `${who} uses io_uring, which CRIU cannot save. Node.js opens one from versions 22.23, 24 and 25 on, whatever its settings say.`,
            remedy:
              "Start it with “flick run”, which keeps io_uring away from it, or set the device's sysctl kernel.io_uring_disabled=2 and start it again.",
            pid: first.pid,
          },
        ];
      case 'device':
        return [
          {
            cause: 'device',
            severity: 'blocks',
            what: `${who} uses ${things}: its state is in hardware or a driver of this device and cannot be saved.`,
            remedy: 'Let the program close the device, then move it.',
            pid: first.pid,
          },
        ];
      case 'connection':
        return [
          {
            cause: 'connection',
            severity: 'blocks',
            what: `${who} uses ${things}, which CRIU cannot save. Programs in Go open such sockets by default.`,
            remedy:
              'Start it with GODEBUG=multipathtcp=0 in its environment, or with Multipath TCP off.',
            pid: first.pid,
          },
        ];
      case 'namespace':
      case 'unsupportedObject':
        return [
          {
            cause: first.cause,
            severity: 'blocks',
            what: `${who} uses ${things}, which CRIU cannot save.`,
            remedy: 'Let the program close it, or start it without the feature that needs it.',
            pid: first.pid,
          },
        ];
    }
  });
}

function pidfds(facts: CriuFacts): Departing[] {
  return facts.outsidePidfds.slice(0, 10).map((each) => ({
    cause: 'unsupportedObject' as const,
    severity: 'blocks' as const,
    what: `${label(facts, each.pid)} holds a handle (pidfd) of the process ${each.target}, which does not move along.`,
    remedy: 'Move the process that started both, or end the one that is watched.',
    pid: each.pid,
  }));
}

function leaked(facts: CriuFacts): Departing[] {
  const byProcess = new Map<number, string[]>();
  for (const each of facts.leaked) {
    byProcess.set(each.pid, [
      ...(byProcess.get(each.pid) ?? []),
      `${shownPath(each.path)} (descriptor ${each.fd})`,
    ]);
  }
  return [...byProcess].map(([pid, files]) => ({
    cause: 'leakedDescriptor' as const,
    severity: 'blocks' as const,
    what: `${label(facts, pid)} has ${enumerate(files)} open, which lies in no file system that it can see: inherited from whoever started it, of a file system that was taken away, or a message queue.`,
    remedy: 'Start the program so that it inherits no descriptors, as “flick run” does.',
    pid,
  }));
}

function watches(facts: CriuFacts, unprivileged: boolean): Departing[] {
  return facts.watches.flatMap((watch): Departing[] => {
    const who = label(facts, watch.pid);
    const remedy =
      'Let the program poll instead (CHOKIDAR_USEPOLLING=1, --watch off, polling in its settings) and start it again.';
    if (watch.watches > 0 && watch.kind === 'inotify' && unprivileged) {
      return [
        {
          cause: 'inotify',
          severity: 'blocks',
          what: `${who} watches ${count(watch.watches, 'file or folder')} for changes (inotify), which only root may save.`,
          remedy: `${remedy} Or log in to the device as root.`,
          pid: watch.pid,
        },
      ];
    }
    if (watch.movable) return [];
    return [
      {
        cause: 'inotify',
        severity: 'blocks',
        what: `${who} watches files for changes (inotify) on ${enumerate(watch.fileSystems)}, which gives CRIU no handle to find them again.`,
        remedy,
        pid: watch.pid,
      },
    ];
  });
}

function deleted(facts: CriuFacts, unprivileged: boolean): Departing[] {
  const findings: Departing[] = [];
  for (const file of facts.openFiles.filter((each) => each.deleted && each.kind === 'file')) {
    const where = `${label(facts, file.pid)} has the deleted file ${shownPath(file.path)} open`;
    if (file.linkCount > 0) {
      findings.push({
        cause: 'fileDeleted',
        severity: 'blocks',
        what: `${where}, which still exists under another name; CRIU would need that name on the target.`,
        remedy:
          'Let the program close the file, or remove its other names; or start the program again.',
        pid: file.pid,
      });
    } else if (file.size > ghostLimit) {
      findings.push({
        cause: 'fileDeleted',
        severity: 'blocks',
        what: `${where}, ${size(file.size)} of which exist nowhere else; up to ${size(ghostLimit)} can be taken along.`,
        remedy: 'Let the program close the file, or start it again.',
        pid: file.pid,
      });
    }
  }
  const mapped = facts.mappedFiles.filter((each) => each.deleted);
  const [first] = mapped;
  const pid = first?.pids[0];
  if (first !== undefined && pid !== undefined && unprivileged) {
    findings.push({
      cause: 'fileDeleted',
      severity: 'blocks',
      what: `${label(facts, pid)} has memory of files that were deleted or replaced (${enumerate(mapped.map((each) => shownPath(each.path)))}), which only root may save.`,
      remedy:
        'Start the program again where a library was upgraded under it; semaphores and shared memory of this kind move only as root.',
      pid,
    });
  } else if (first !== undefined && pid !== undefined && mapped.some((each) => each.executable)) {
    findings.push({
      cause: 'fileDeleted',
      severity: 'notes',
      what: `${label(facts, pid)} runs code of files that were deleted or replaced since it started (${enumerate(mapped.map((each) => shownPath(each.path)))}); they go along as they were.`,
      pid,
    });
  }
  return findings;
}

/** Files of /proc that name a process outside the tree: there will be another one of that number, or none. */
function foreignProc(facts: CriuFacts): Departing[] {
  const own = new Set(facts.processes.map((process) => process.nsPid));
  return facts.openFiles.flatMap((file): Departing[] => {
    const target = /^\/proc\/(\d+)(?:\/|$)/.exec(file.path)?.[1];
    if (target === undefined || own.has(Number(target)) || target === '1') return [];
    return [
      {
        cause: 'fileMissing',
        severity: 'blocks',
        what: `${label(facts, file.pid)} has ${shownPath(file.path)} open, of a process that does not move along.`,
        remedy: 'Let the program close it, or move the other process too.',
        pid: file.pid,
      },
    ];
  });
}

function pipes(facts: CriuFacts): Departing[] {
  return facts.pipes.map((pipe) => {
    const who = label(facts, pipe.pid);
    const whose =
      pipe.holders.length === 0
        ? 'whose other end is out of sight: closed, or held by another user'
        : `that ${enumerate(pipe.holders.map(labelOf))} ${pipe.end === 'reads' ? 'writes to' : 'reads'}`;
    const streams = enumerate(pipe.fds.map(streamName));
    return {
      cause: 'leakedDescriptor' as const,
      severity: 'warns' as const,
      what:
        pipe.end === 'reads'
          ? `${who} reads ${streams} from a pipe ${whose}. The pipe ends with the move: it will read the end of its input.`
          : `${who} writes ${streams} into a pipe ${whose}. The pipe ends with the move: what it writes there next fails (SIGPIPE), which ends most programs.`,
      remedy: 'Start it with “flick run”, or with its input and output in files.',
      pid: pipe.pid,
    };
  });
}

function streamName(fd: number): string {
  return ['its standard input', 'its standard output', 'its errors'][fd] ?? `descriptor ${fd}`;
}
