/** Resident memory of the measured process in MiB. */
export const sizes = [45, 512, 2048] as const;
export type SizeMb = (typeof sizes)[number];

export const links = ['full', '100mbit', '384kbit'] as const;
export type Link = (typeof links)[number];

export const runnerNames = ['flick', 'criu', 'criuLazy', 'podman'] as const;
export type RunnerName = (typeof runnerNames)[number];

/** What is measured in one go: a process that makes two hops, or one. */
export interface Case {
  readonly sizeMb: SizeMb;
  readonly link: Link;
  readonly runner: RunnerName;
  /** The hops that are measured. One that only leads to a measured one goes over the full link. */
  readonly hops: readonly (1 | 2)[];
}

export interface Selection {
  readonly runners: readonly RunnerName[];
  readonly sizes: readonly SizeMb[];
  readonly links: readonly Link[];
}

export const everything: Selection = { runners: runnerNames, sizes, links };

/** Rewritten at once between the first and the second hop, in percent of the heap. */
export const changeBetweenHops = 1;

/** How fast the heap goes on changing, in percent of its pages each second. */
export function percentPerSecond(sizeMb: SizeMb, link: Link): number {
  // At 1 % a second 512 MB change a hundred times faster than such a link can tell.
  if (link === '384kbit') return 0.01;
  // As many pages as of 512 MB. At four times as many a lazy restore of plain CRIU was seen to give
  // the process little but the pages that it waited for, for as long as one cared to watch.
  return sizeMb === 2048 ? 0.25 : 1;
}

/** The cases of a selection, in the order in which they run; one after the other per size and link. */
export function casesOf(selection: Selection): Case[] {
  const all = links.flatMap((link) =>
    sizes.flatMap((sizeMb) => runnerNames.flatMap((runner) => casesFor(sizeMb, link, runner))),
  );
  return all.filter(
    ({ sizeMb, link, runner }) =>
      selection.sizes.includes(sizeMb) &&
      selection.links.includes(link) &&
      selection.runners.includes(runner),
  );
}

function casesFor(sizeMb: SizeMb, link: Link, runner: RunnerName): Case[] {
  if (link !== '384kbit') return [{ sizeMb, link, runner, hops: [1, 2] }];
  // Only Flick means to be of use over such a link; the others would take hours.
  if (runner !== 'flick') return [];
  if (sizeMb === 45) return [{ sizeMb, link, runner, hops: [1] }];
  if (sizeMb === 512) return [{ sizeMb, link, runner, hops: [2] }];
  return [];
}
