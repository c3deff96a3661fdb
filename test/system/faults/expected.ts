/**
 * The fault matrix as it is expected to come out, written down before anything is broken. A row is a moment of a move
 * from alpha to beta at which one side's agent is stopped; a column is what happens to that side then. In `post-copy`
 * rows the process runs before its last page is there.
 */

export const faults = [
  'agent killed',
  'both agents killed',
  'keeper killed',
  'criu killed',
  'criu hangs',
  'cut for 1 s',
  'cut for 60 s',
  'cut for ever',
  'power cut',
  'disk full',
  'delayed',
  'twice',
  'client gone',
] as const;
export type Fault = (typeof faults)[number];

/**
 * - `source`: the process runs on where it was, as if nothing had been; `target`: it has moved.
 * - `either`: which of both depends on whether a last message had left; one of them it is.
 * - `ended on source`, `ended on target`: it ended with its keeper or device there, as any program would.
 * - `lost there`: its copy ended with the target before the source was told that it ran; the original stands still and a
 *   person decides.
 * - `stranded`: it runs on the target, and waits for ever once it touches memory that is gone with the source.
 * - `target or ended`: `target`, or `ended on source`, as with `either`; `lost or ended`: `lost there` or `ended on target`.
 */
export type Verdict =
  | 'source'
  | 'target'
  | 'either'
  | 'ended on source'
  | 'ended on target'
  | 'lost there'
  | 'stranded'
  | 'target or ended'
  | 'lost or ended';

/** What is so while a device cannot be reached at all: `doubt` is an original that stands still and no copy that goes on. */
export type Meanwhile = 'source' | 'target' | 'doubt' | 'source or doubt' | 'target or doubt';

export interface Row {
  readonly side: 'source' | 'target';
  readonly name: string;
  /** What the side's agent writes to its log at that moment (agent/handoff/trace.ts). */
  readonly at: string;
  readonly postCopy?: true;
  /**
   * It moves by the portable engine; “criu killed” then kills what holds the program, or the process that it is rebuilt in,
   * and “criu hangs” stops it.
   */
  readonly portable?: true;
  /** A fault that is not here has nothing to strike at that moment. */
  readonly verdicts: Readonly<Partial<Record<Fault, Verdict>>>;
  /** While it is cut for ever. */
  readonly meanwhile: Meanwhile;
}

/** Until the release the source owns the process: every failure ends with it running there, unless its place ends. */
const owned = {
  'agent killed': 'source',
  'both agents killed': 'source',
  'keeper killed': 'ended on source',
  'cut for 1 s': 'target',
  'cut for ever': 'source',
  'power cut': 'ended on source',
  'disk full': 'source',
  delayed: 'target',
  // Who is asked before it has decided gives up, so that what it says stays true.
  twice: 'source',
  'client gone': 'target',
} as const;

/** The target before it has promised anything. */
const building = {
  'agent killed': 'source',
  'both agents killed': 'source',
  'cut for 1 s': 'target',
  'cut for ever': 'source',
  'power cut': 'source',
  'disk full': 'source',
  delayed: 'target',
  twice: 'source',
  'client gone': 'target',
} as const;

/** It has run on the target, and the source knows or will hear it. */
const arrived = {
  'agent killed': 'target',
  'both agents killed': 'target',
  'cut for 1 s': 'target',
  'cut for 60 s': 'target',
  'cut for ever': 'target',
  'disk full': 'target',
  delayed: 'target',
  twice: 'target',
  'client gone': 'target',
} as const;

export const rows: readonly Row[] = [
  {
    side: 'source',
    name: 'checks',
    at: 'check',
    meanwhile: 'source',
    // The client may still be introducing the two to each other, and gives that up with its own connection.
    verdicts: { ...owned, 'cut for 60 s': 'either' },
  },
  {
    side: 'source',
    name: 'copies',
    at: 'copy',
    meanwhile: 'source',
    verdicts: { ...owned, 'cut for 60 s': 'target' },
  },
  {
    side: 'source',
    name: 'freezes',
    at: 'freeze',
    meanwhile: 'source',
    verdicts: { ...owned, 'criu killed': 'source', 'cut for 60 s': 'source' },
  },
  {
    side: 'source',
    name: 'sends',
    at: 'send',
    meanwhile: 'source',
    verdicts: { ...owned, 'criu killed': 'source', 'cut for 60 s': 'source' },
  },
  {
    side: 'source',
    name: 'waits for the restore',
    at: 'restore',
    meanwhile: 'source or doubt',
    verdicts: { ...owned, 'criu killed': 'source', 'cut for 60 s': 'source' },
  },
  {
    side: 'source',
    name: 'has heard that it is held',
    at: 'commit',
    meanwhile: 'doubt',
    verdicts: {
      ...owned,
      // A dying CRIU holds its tasks until it is gone: what is pinned before that stands still without it.
      'criu killed': 'either',
      'cut for 60 s': 'source',
    },
  },
  {
    side: 'source',
    name: 'has written released',
    at: 'write released',
    meanwhile: 'doubt',
    verdicts: {
      ...owned,
      // `run` goes out, and the copy has all it needs.
      'keeper killed': 'target',
      'criu killed': 'target',
      'cut for 60 s': 'source',
      'disk full': 'target',
    },
  },
  {
    side: 'source',
    name: 'has said run',
    at: 'send run',
    meanwhile: 'target or doubt',
    verdicts: {
      ...arrived,
      'agent killed': 'either',
      'both agents killed': 'either',
      'keeper killed': 'target',
      'criu killed': 'target',
      'cut for 60 s': 'either',
      'cut for ever': 'either',
      'power cut': 'target or ended',
      twice: 'either',
    },
  },
  {
    side: 'source',
    name: 'has ended its original',
    at: 'discard',
    meanwhile: 'target',
    verdicts: { ...arrived, 'power cut': 'target' },
  },
  {
    side: 'source',
    name: 'serves pages',
    at: 'write serving',
    postCopy: true,
    meanwhile: 'target or doubt',
    verdicts: {
      ...arrived,
      'keeper killed': 'stranded',
      // What it held stands still by itself.
      'criu killed': 'target',
      'power cut': 'stranded',
    },
  },
  {
    side: 'target',
    name: 'builds',
    at: 'copy',
    meanwhile: 'source',
    verdicts: { ...building, 'cut for 60 s': 'target' },
  },
  {
    side: 'target',
    name: 'receives',
    at: 'send',
    meanwhile: 'source',
    // What it waits for is the last round of memory, or the first thing after the freeze.
    verdicts: { ...building, 'cut for 60 s': 'either' },
  },
  {
    side: 'target',
    name: 'restores',
    at: 'restore',
    meanwhile: 'source',
    verdicts: {
      ...building,
      'keeper killed': 'source',
      'criu killed': 'source',
      // Nobody waits for ever for what does not come.
      'criu hangs': 'source',
      'cut for 60 s': 'source',
    },
  },
  {
    side: 'target',
    name: 'has said held',
    at: 'send held',
    meanwhile: 'source or doubt',
    verdicts: {
      ...building,
      'keeper killed': 'source',
      'criu killed': 'source',
      'cut for 60 s': 'source',
      // `run` may be there already when it is asked.
      twice: 'either',
    },
  },
  {
    side: 'target',
    name: 'has written accepted',
    at: 'write accepted',
    meanwhile: 'target',
    verdicts: {
      ...arrived,
      'keeper killed': 'source',
      'criu killed': 'source',
      'power cut': 'source',
    },
  },
  {
    side: 'target',
    name: 'has written incomplete',
    at: 'write incomplete',
    postCopy: true,
    meanwhile: 'target or doubt',
    verdicts: { ...arrived, 'keeper killed': 'lost there', 'power cut': 'lost there' },
  },
  {
    side: 'target',
    name: 'has written running',
    at: 'write running',
    meanwhile: 'target',
    verdicts: { ...arrived, 'keeper killed': 'ended on target', 'power cut': 'lost there' },
  },
  {
    side: 'target',
    name: 'has said that it runs',
    at: 'send running',
    meanwhile: 'target',
    verdicts: { ...arrived, 'keeper killed': 'ended on target', 'power cut': 'lost or ended' },
  },
];

/** The program stands still at its gate, or is about to, and has not been released. */
const atTheGate = {
  'agent killed': 'source',
  'keeper killed': 'ended on source',
  'criu killed': 'source',
  'cut for 60 s': 'source',
} as const;

/** It is rebuilt, or has been, and nothing of it has run. */
const rebuilt = {
  'agent killed': 'source',
  'keeper killed': 'source',
  'criu killed': 'source',
  'cut for 60 s': 'source',
} as const;

/** The program runs on the source and is told of; a process for it starts, or has started and waits for its capsule. */
const gettingReady = { ...building, ...rebuilt } as const;

/** The same moments where a Node.js program moves by the portable engine, and those of its getting ready. */
export const portableRows: readonly Row[] = (
  [
    [
      'source',
      'announces',
      'announce',
      { ...owned, 'criu killed': 'source', 'cut for 60 s': 'source' },
    ],
    ['source', 'freezes', 'freeze', atTheGate],
    ['source', 'sends', 'send', atTheGate],
    ['source', 'waits for the restore', 'restore', atTheGate],
    ['source', 'has heard that it is held', 'commit', atTheGate],
    [
      'source',
      'has written released',
      'write released',
      { 'agent killed': 'source', 'keeper killed': 'target', 'criu killed': 'target' },
    ],
    [
      'source',
      'has said run',
      'send run',
      { 'agent killed': 'either', 'keeper killed': 'target', 'criu killed': 'target' },
    ],
    ['source', 'has ended its original', 'discard', { 'agent killed': 'target' }],
    ['target', 'builds', 'copy', { 'agent killed': 'source', 'cut for 1 s': 'target' }],
    ['target', 'starts a fresh process', 'announced', gettingReady],
    ['target', 'has a fresh process ready', 'ready', gettingReady],
    ['target', 'receives', 'send', { 'agent killed': 'source', 'cut for 1 s': 'target' }],
    ['target', 'restores', 'restore', { ...rebuilt, 'criu hangs': 'source' }],
    ['target', 'has said held', 'send held', rebuilt],
    [
      'target',
      'has written accepted',
      'write accepted',
      { 'agent killed': 'target', 'keeper killed': 'source', 'criu killed': 'source' },
    ],
    [
      'target',
      'has written running',
      'write running',
      { 'agent killed': 'target', 'keeper killed': 'ended on target' },
    ],
  ] as const
).map(([side, name, at, verdicts]) => ({
  side,
  name: `${name} (portable)`,
  at,
  verdicts,
  portable: true,
  meanwhile: 'source',
}));

/** What may be observed where a verdict leaves it open. */
export const outcomesOf: Readonly<Record<Verdict, readonly string[]>> = {
  source: ['source'],
  target: ['target'],
  either: ['source', 'target'],
  'ended on source': ['ended on source'],
  'ended on target': ['ended on target'],
  'lost there': ['lost there'],
  stranded: ['stranded'],
  'target or ended': ['target', 'ended on source'],
  'lost or ended': ['lost there', 'ended on target'],
};

export interface Cell {
  readonly row: Row;
  readonly fault: Fault;
  readonly expected: Verdict;
}

/** Every cell of some rows, column by column: devices are prepared for a fault once. */
export const cells = cellsOf(rows);
export const portableCells = cellsOf(portableRows);

function cellsOf(all: readonly Row[]): readonly Cell[] {
  return faults.flatMap((fault) =>
    all.flatMap((row) => {
      const expected = row.verdicts[fault];
      return expected === undefined ? [] : [{ row, fault, expected }];
    }),
  );
}
