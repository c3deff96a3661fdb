import type { Engine, TreeFacts } from '../engines/engine.ts';
import type { ManagedProcess } from '../processes/managedProcess.ts';
import { handoffWire } from './messages.ts';

/** What the target is told of a process before it says whether it takes it: the first message of a handoff. */
export function offerOf(
  managed: ManagedProcess,
  engine: Engine,
  facts: TreeFacts,
  handoff: string,
): object {
  const { record, cell } = managed;
  return {
    type: 'offer',
    wire: handoffWire,
    handoff,
    process: {
      id: record.id,
      name: record.name,
      command: record.command,
      cwd: record.cwd,
      origin: record.origin,
      hasTerminal: record.hasTerminal || facts.terminals.some((each) => !each.inside),
      terminal: record.terminal,
      home: record.home,
      carry: record.carry,
      startedAt: record.startedAt,
      moves: record.moves,
      // Whoever is rebuilt leads a session of its own.
      shellJob: engine.name === 'criu' && (record.shellJob || !facts.session.leaderInside),
      terminalIndex: cell === undefined ? terminalIndexOf(facts) : record.terminalIndex,
    },
    facts: { engine: engine.name, document: facts },
    senderUid: process.getuid?.() ?? 0,
    userNamespace: cell?.userNamespace !== undefined,
    sealed: true,
    announces: engine.prepare !== undefined,
  };
}

/** The job of somebody's shell has a terminal with a number of the device; CRIU opens it by that again. */
function terminalIndexOf(facts: TreeFacts): number {
  const paths = facts.terminals.filter((each) => !each.inside).map((each) => each.path);
  const index = paths.map((path) => /^\/dev\/pts\/(\d{1,4})$/.exec(path)?.[1]).find(Boolean);
  return Math.min(Number(index ?? 0), 1023);
}
