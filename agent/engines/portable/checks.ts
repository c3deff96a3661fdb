import { statfs } from 'node:fs/promises';
import type { Finding } from '../../../protocol/index.ts';
import { arrivingPorts } from '../criu/arrivalPorts.ts';
import { processRules } from '../criu/departureCheck.ts';
import { count, label, shownPath, size } from '../criu/words.ts';
import { strangers } from '../criu/departureCheck.ts';
import type { ProgramFacts } from './facts.ts';
import { isNodeProgram } from './node.ts';

type Found = Omit<Finding, 'side'>;

/** Space that a capsule takes at most, as a share of the memory, and at least, in bytes. */
const least = 32 << 20;

/** The source's half of the check, as far as it is seen from outside. */
export function checkProgram(
  facts: ProgramFacts,
  on: { readonly uid: number; readonly inCell: boolean; readonly canPark: boolean },
): Finding[] {
  const root = label(facts, facts.rootPid);
  const found: Found[] = [...strangers(facts, on.uid)];
  if (!isNodeProgram(facts.program.node)) {
    found.push({
      cause: 'notNode',
      severity: 'blocks',
      what: `${root} is no Node.js program; the portable engine moves only these.`,
      remedy: 'Move it with CRIU, between devices with the same kind of processor.',
    });
  } else if (facts.processes.length > 1) {
    const others = facts.processes.slice(1).map((each) => each.name);
    found.push({
      cause: 'program',
      severity: 'blocks',
      what: `${root} has ${count(others.length, 'child process')} (${shownPath(others.join(', '))}), which cannot be taken along.`,
      remedy: 'Wait until it has ended, or move the whole with CRIU.',
    });
  }
  if (!on.canPark) {
    found.push({
      cause: 'program',
      severity: 'blocks',
      what: `${root} was started by an earlier version of Flick, whose keeper cannot hold it for this engine.`,
      remedy: 'Start it again, or move it with CRIU.',
    });
  }
  for (const what of facts.program.redirected) {
    found.push({
      cause: 'program',
      severity: 'blocks',
      what: `${root} has ${shownPath(what)} as a standard stream, and would write to a terminal after the move.`,
      remedy: 'Start it with “flick run”, which gives it a terminal that goes with it.',
    });
  }
  return sorted([...found, ...processRules(facts, on)], 'source');
}

/** The target's half of the check. */
export async function checkPlace(
  facts: ProgramFacts,
  on: {
    readonly uid: number;
    readonly flickHome: string;
    readonly missingBytes: number;
    readonly statuses: readonly Finding[];
  },
): Promise<Finding[]> {
  const space = await statfs(on.flickHome);
  const free = space.bavail * space.bsize;
  const needed = on.missingBytes + facts.memoryBytes + least;
  const found: Found[] = [...on.statuses, ...(await arrivingPorts(facts, on.uid))];
  if (needed > free) {
    found.push({
      cause: 'diskSpace',
      severity: 'blocks',
      what: `The disk of this device has ${size(free)} free at ${shownPath(on.flickHome)}; the process may need up to ${size(needed)}.`,
      remedy: 'Free some space on the device, or move FLICK_HOME to a larger disk.',
    });
  }
  return sorted(found, 'target');
}

function sorted(found: readonly Found[], side: Finding['side']): Finding[] {
  const rank = { blocks: 0, warns: 1, notes: 2 } as const;
  return found
    .map((each): Finding => ({ ...each, side }))
    .sort((a, b) => rank[a.severity] - rank[b.severity]);
}
