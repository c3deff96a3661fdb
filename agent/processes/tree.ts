import type { listeningPort, ProcessNode } from '../../protocol/index.ts';
import type { InferOutput } from 'valibot';

export type ListeningPort = InferOutput<typeof listeningPort>;

/** One process as a moment saw it. */
export interface TreeProcess {
  readonly pid: number;
  readonly parent: number;
  readonly comm: string;
  /** The command line for people: arguments joined by spaces, control characters escaped; `[comm]` without one. */
  readonly command: string;
  readonly state: string;
  readonly startTicks: number;
  readonly rssBytes: number;
  readonly threads: readonly number[];
}

/** A process and all its descendants, parents before children, the root first. */
export interface ProcessTree {
  readonly root: TreeProcess;
  readonly processes: readonly TreeProcess[];
}

/** The tree below a PID; undefined when there is no such process. */
export function readTree(_rootPid: number): Promise<ProcessTree | undefined> {
  return Promise.resolve(undefined);
}

/** The tree as views show it: one node, the root's. */
export function nodesOf(_tree: ProcessTree): ProcessNode[] {
  return [];
}

/** Ports that processes of the tree listen on, sorted, each once. */
export function listeningPorts(_tree: ProcessTree): Promise<ListeningPort[]> {
  return Promise.resolve([]);
}
/** Memory of the whole tree in bytes, shared pages counted for each process. */
export function treeRss(_tree: ProcessTree): number {
  return 0;
}
