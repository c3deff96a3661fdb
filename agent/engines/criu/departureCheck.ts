import type { Finding } from '../../../protocol/index.ts';
import { departingConnections, departingSockets } from './departureSockets.ts';
import { departingObjects } from './departureObjects.ts';
import type { CriuFacts, Supervisor } from './factsSchema.ts';
import { enumerate, label, labelOf, shownPath, size } from './words.ts';

export interface DepartureCircumstances {
  /** The calling user. */
  readonly uid: number;
  readonly inCell: boolean;
  /** Whether the privileged helper can be used, which an ordinary user needs for a process outside a cell. */
  readonly hasHelper: boolean;
}

/** The part of a finding that differs; the side is always the source. */
export type Departing = Omit<Finding, 'side'>;
type Rule = (facts: CriuFacts, on: DepartureCircumstances) => readonly Departing[];

/**
 * The source's half of the check: what of these facts stands in the way of a dump, or will be lost by it. `blocks` is
 * only what CRIU was seen to refuse (README.md beside this file) or what would leave two copies running.
 */
export function checkDeparture(facts: CriuFacts, on: DepartureCircumstances): Finding[] {
  const rules: readonly Rule[] = [
    ownership,
    tracers,
    tasks,
    supervision,
    namespaces,
    session,
    departingObjects,
    departingSockets,
    departingConnections,
    packages,
  ];
  const found = rules.flatMap((rule) => rule(facts, on));
  const rank = { blocks: 0, warns: 1, notes: 2 } as const;
  return found
    .map((each): Finding => ({ ...each, side: 'source' }))
    .sort((a, b) => rank[a.severity] - rank[b.severity]);
}

/** What stands in the way of taking a tree from where it is, whatever engine does it. */
export function processRules(
  facts: CriuFacts,
  on: Pick<DepartureCircumstances, 'uid' | 'inCell'>,
): Departing[] {
  return [...tracers(facts), ...supervision(facts), ...placement(facts, on), ...packages(facts)];
}

export function strangers(facts: CriuFacts, uid: number): Departing[] {
  const theirs = facts.processes.filter(
    (process) => uid !== 0 && process.uids.some((each) => each !== uid),
  );
  const [stranger] = theirs;
  if (stranger === undefined) return [];
  return [
    {
      cause: 'otherUser',
      severity: 'blocks',
      what: `${enumerate(theirs.map((each) => label(facts, each.pid)))} runs as another user (id ${enumerate(stranger.uids.map(String))}), whom Flick does not act for.`,
      remedy: 'Log in to the device as that user, or as root, to move it.',
      pid: stranger.pid,
    },
  ];
}

function ownership(facts: CriuFacts, on: DepartureCircumstances): Departing[] {
  const findings = strangers(facts, on.uid);
  const hidden = facts.processes.filter((process) => !process.readable);
  if (hidden.length > 0 && findings.length === 0 && !(on.hasHelper && !on.inCell)) {
    findings.push({
      cause: 'permission',
      severity: 'blocks',
      what: `${enumerate(hidden.map((each) => label(facts, each.pid)))} does not let itself be looked into, as programs with special rights do.`,
      remedy: 'Start it without set-user-id bits and file capabilities, or log in as root.',
      pid: hidden[0]?.pid,
    });
  }
  const closed = facts.processes.filter((process) => !process.limitsReadable);
  if (on.uid === 0 && closed.length > 0) {
    findings.push({
      cause: 'permission',
      severity: 'blocks',
      what: `${enumerate(closed.map((each) => label(facts, each.pid)))} runs as another user (id ${enumerate(closed.flatMap((each) => each.uids.map(String)))}), whose resource limits root may not read on this device: it lacks CAP_SYS_RESOURCE, as in some containers.`,
      remedy:
        'Let the whole program run as root or as one user (nginx: “user root;”), or give the container that capability.',
      pid: closed[0]?.pid,
    });
  }
  if (on.uid !== 0 && !on.inCell && !on.hasHelper) {
    findings.push({
      cause: 'permission',
      severity: 'blocks',
      what: `${label(facts, facts.rootPid)} was not started by Flick, and moving it needs root's rights on this device, which are not to be had.`,
      remedy:
        'Run “flick device setup NAME” where sudo works without a password, log in as root, or start the program with “flick run”.',
      pid: facts.rootPid,
    });
  }
  return findings;
}

function tracers(facts: CriuFacts): Departing[] {
  return facts.processes.flatMap((process): Departing[] =>
    process.tracer === null
      ? []
      : [
          {
            cause: 'traced',
            severity: 'blocks',
            what: `${label(facts, process.pid)} is held by a debugger or tracer: ${labelOf(process.tracer)}. Only one program can hold it at a time, and a move needs to.`,
            remedy: `Detach or end ${labelOf(process.tracer)}, then move it again.`,
            pid: process.pid,
          },
        ],
  );
}

function tasks(facts: CriuFacts): Departing[] {
  return facts.processes.flatMap((process): Departing[] => {
    const found: Departing[] = [];
    if (process.uninterruptible.length > 0) {
      found.push({
        cause: 'frozenTask',
        severity: 'warns',
        what: `${label(facts, process.pid)} waits for a device or a file system and cannot be interrupted (state D), so it may not be possible to freeze it.`,
        remedy: 'Wait until its disk or network file system answers, then move it.',
        pid: process.pid,
      });
    }
    if (process.stoppedThreads.length > 0) {
      found.push({
        cause: 'frozenTask',
        severity: 'warns',
        what: `${process.stoppedThreads.length} of the threads of ${label(facts, process.pid)} are stopped while others run; they may run after the move.`,
        remedy: 'Let the whole process continue, or stop the whole process, before moving it.',
        pid: process.pid,
      });
    }
    return found;
  });
}

function supervision(facts: CriuFacts): Departing[] {
  const { supervisor } = facts;
  if (supervisor === null) return [];
  const root = label(facts, facts.rootPid);
  const who = describeSupervisor(supervisor);
  if (supervisor.restarts === false) {
    return [
      {
        cause: 'supervised',
        severity: 'warns',
        what: `${root} is run by ${who}, which will take it for ended once it has moved.`,
        remedy: `To have it end there first: ${supervisor.stop}`,
        pid: facts.rootPid,
      },
    ];
  }
  if (supervisor.kind === 'master') {
    return [
      {
        cause: 'supervised',
        severity: 'blocks',
        what: `${root} is a worker of ${who}, which will start another in its place, so that two would run.`,
        remedy: `Move ${printedPid(supervisor)} with all its workers instead.`,
        pid: facts.rootPid,
      },
    ];
  }
  return [
    {
      cause: 'supervised',
      severity: 'blocks',
      what: `${root} is run by ${who}, which starts it again when it goes, so that two copies would run.`,
      remedy: `Stop it there (${supervisor.stop}) and start it with “flick run” instead.`,
      pid: facts.rootPid,
    },
  ];
}

function describeSupervisor(supervisor: Supervisor): string {
  const name = shownPath(supervisor.name);
  const pid = supervisor.pid === null ? '' : ` (${supervisor.pid})`;
  switch (supervisor.kind) {
    case 'systemd':
      return `systemd as ${name}`;
    case 'container':
      return `the container ${name}`;
    case 'program':
    case 'master':
      return `${name}${pid}`;
  }
}

function printedPid(supervisor: Supervisor): string {
  return supervisor.pid === null ? supervisor.name : `${supervisor.name} (${supervisor.pid})`;
}

const namespaceNames = new Map([
  ['pid', 'process ids'],
  ['user', 'users'],
  ['mnt', 'mounts'],
  ['net', 'network'],
  ['ipc', 'IPC objects'],
  ['uts', 'host name'],
  ['cgroup', 'control groups'],
  ['time', 'clocks'],
]);

const namespacesNamed = (kinds: readonly string[]): string =>
  enumerate(kinds.map((kind) => namespaceNames.get(kind) ?? kind));

function namespaces(facts: CriuFacts, on: DepartureCircumstances): Departing[] {
  const findings: Departing[] = [];
  if (facts.nestedNamespaces.length > 0) {
    findings.push({
      cause: 'namespace',
      severity: 'blocks',
      what: `Processes of ${label(facts, facts.rootPid)} live in namespaces of their own (${namespacesNamed(facts.nestedNamespaces)}), as sandboxes and browsers make them; CRIU cannot restore these inside a tree.`,
      remedy: 'Start the program without its sandbox (often an option such as --no-sandbox).',
      pid: facts.rootPid,
    });
  }
  findings.push(...placement(facts, on));
  return findings;
}

/** Where it lives on this device, other than in a cell. */
function placement(facts: CriuFacts, on: Pick<DepartureCircumstances, 'inCell'>): Departing[] {
  const findings: Departing[] = [];
  // Dumped with the tree and made again by CRIU: host name and IPC. The others need what the target does not have.
  const foreign = on.inCell
    ? []
    : facts.foreignNamespaces.filter((kind) => kind !== 'uts' && kind !== 'ipc');
  if (foreign.length > 0) {
    findings.push({
      cause: 'namespace',
      severity: 'blocks',
      what: `${label(facts, facts.rootPid)} lives in namespaces other than the agent's (${namespacesNamed(foreign)}): in a container, a sandbox or a service with private folders.`,
      remedy: 'Start the program outside of it with “flick run”.',
      pid: facts.rootPid,
    });
  }
  if (facts.chroots.length > 0 && !on.inCell) {
    findings.push({
      cause: 'namespace',
      severity: 'warns',
      what: `${label(facts, facts.rootPid)} has changed its root folder to ${shownPath(facts.chroots[0] ?? '')} (chroot), which must be complete on the target.`,
      remedy: `Take the folder along: --carry ${shownPath(facts.chroots[0] ?? '')}`,
      pid: facts.rootPid,
    });
  }
  return findings;
}

function session(facts: CriuFacts, on: DepartureCircumstances): Departing[] {
  const findings: Departing[] = [];
  const outside = facts.terminals.filter((each) => !each.inside && each.role !== 'master');
  const keys = new Set(outside.map((each) => each.key));
  const [first] = outside;
  if (keys.size > 1) {
    findings.push({
      cause: 'terminal',
      severity: 'blocks',
      what: `${label(facts, facts.rootPid)} uses ${keys.size} terminals (${enumerate(outside.map((each) => shownPath(each.path)))}); a moved process gets one.`,
      remedy:
        'Start it so that input, output and errors use one terminal, or redirect the others to files.',
      pid: first?.pid,
    });
  } else if (first !== undefined && !on.inCell) {
    findings.push({
      cause: 'terminal',
      severity: 'warns',
      what: `${label(facts, first.pid)} uses the terminal ${shownPath(first.path)}. After the move it goes on in a terminal of Flick's; the one it has now shows no more of it.`,
      remedy: 'Open its terminal from the tree, or with “flick attach”, after the move.',
      pid: first.pid,
    });
  }
  if (!facts.session.leaderInside && !on.inCell) {
    const { leader } = facts.session;
    const by = leader === null ? 'a shell that has ended' : labelOf(leader);
    findings.push({
      cause: 'notLeader',
      severity: 'notes',
      what: `${label(facts, facts.rootPid)} is a job of ${by}, not a session of its own; it leaves that session with the move.`,
      pid: facts.rootPid,
    });
  }
  return findings;
}

function packages(facts: CriuFacts): Departing[] {
  const findings: Departing[] = [];
  for (const root of facts.packageRoots.filter((each) => !each.complete)) {
    findings.push({
      cause: 'packageRoot',
      severity: 'warns',
      what: `${label(facts, root.pid)} may load more files of ${shownPath(root.path)} later, but the folder is too large to be taken along by itself (more than ${root.files} files, ${size(root.bytes)}).`,
      remedy: `If the target does not have it: --carry ${shownPath(root.path)} (or the setting flick.carry).`,
      pid: root.pid,
    });
  }
  for (const folder of facts.carry.filter((each) => !each.exists)) {
    findings.push({
      cause: 'fileMissing',
      severity: 'warns',
      what: `${shownPath(folder.path)} should be taken along, but there is no such file or folder.`,
      remedy: 'Correct the path given with --carry or in flick.carry.',
    });
  }
  if (facts.truncated.length > 0) {
    findings.push({
      cause: 'processGone',
      severity: 'warns',
      what: `There is more to ${label(facts, facts.rootPid)} than was looked at: too many ${enumerate(facts.truncated)}.`,
      remedy: 'The move can be tried; until it succeeds nothing happens to the process.',
    });
  }
  return findings;
}
