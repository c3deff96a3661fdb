import type { Cause } from '../../../protocol/index.ts';
import { printable } from '../../procfs/command.ts';
import { failures } from './explainTable.ts';

export interface Explanation {
  readonly cause: Cause;
  /** A sentence: what stood in the way. */
  readonly what: string;
  readonly remedy: string;
}

/** End of a log that is looked at, in UTF-16 code units. What made CRIU give up stands near the end. */
const maxTail = 4 << 20;
/** Longest line that is looked at; patterns are tried on each. */
const maxLine = 2000;
const maxShown = 300;

/** Complaints that CRIU goes on after, seen in the logs of dumps and restores that succeeded. */
const harmless =
  /RLIMIT_NOFILE|net: Unexpected error: -1\(Operation not permitted\)|XDG_RUNTIME_DIR|^exited, status=|kerndat_/;

/** What follows from an earlier error and says nothing by itself. */
const consequence =
  /^(?:Dumping FAILED|Restoring FAILED|Dump (?:files|mappings|core|mm)|Collect mappings|Unable to open fd=|Message reply from daemon|Can't retrieve FDs|Can't make \w+ id|\d+ (?:exited|killed))/;

/**
 * Says in words why CRIU failed, from its log (any verbosity; best -v4). The first error that is known counts, since the
 * later ones follow from it. Never throws; a log that says nothing yields an honest sentence.
 */
export function explainFailure(kind: 'dump' | 'restore', log: string): Explanation {
  const errors = errorLines(log);
  for (const line of errors) {
    for (const failure of failures) {
      const match = failure.pattern.exec(line);
      if (match === null) continue;
      const captured = match.slice(1).map((each) => (each === undefined ? undefined : shown(each)));
      return { cause: failure.cause, what: failure.what(captured), remedy: failure.remedy };
    }
  }
  const last = errors.findLast((line) => !consequence.test(line)) ?? errors.at(-1);
  const doing =
    kind === 'dump' ? 'The process could not be saved' : 'The process could not be restored';
  return {
    cause: 'criuBroken',
    what:
      last === undefined
        ? `${doing}, and CRIU did not say why.`
        : `${doing}, for a reason that Flick does not know. CRIU stopped at: ${shown(last)}`,
    remedy: 'Open the log; it has the details. The process runs on where it was.',
  };
}

/** True when a dump failed because a task came or went just then: the next one may find the tree at rest. */
export function isPassing(log: string): boolean {
  return errorLines(log).some((line) =>
    /zombie found while seizing|No such process|(?:open|read) \S*proc\/\d+\S*: No such file/.test(
      line,
    ),
  );
}

/** The texts of a log's errors, oldest first, without time, PID and place in the source code. */
function errorLines(log: string): string[] {
  const lines: string[] = [];
  for (const line of log.slice(-maxTail).split('\n')) {
    // `(00.012345)   4711: Error (criu/files.c:12): text`, `pie: 4711: Error (…): text`, `Error (…): text`.
    const match = /(?:^|[\s:)])Error \([^)]{1,200}\): ?(.*)$/.exec(line.slice(0, maxLine));
    const text = match?.[1]?.trim();
    if (text !== undefined && text !== '' && !harmless.test(text)) lines.push(text);
  }
  // Without a log of its own CRIU prints what it says: complaints about rights and options come so.
  if (lines.length > 0) return lines;
  return log
    .slice(-maxTail)
    .split('\n')
    .filter((line) =>
      /CRIU needs|You need to have CAP_|\bNo space left\b|unrecognized option/.test(line),
    )
    .map((line) => line.slice(0, maxLine).trim());
}

function shown(text: string | undefined): string {
  const escaped = printable(text ?? '');
  return escaped.length > maxShown ? `${escaped.slice(0, maxShown)}…` : escaped;
}
