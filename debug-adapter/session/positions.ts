export interface Shift {
  readonly line: number;
  readonly column: number;
}

const kinds: Readonly<Record<string, keyof Shift>> = {
  line: 'line',
  endLine: 'line',
  column: 'column',
  endColumn: 'column',
};

/** A message's positions moved, for editors that count from 0; everything else as it is. */
export function shiftPositions<T>(message: T, shift: Shift): T {
  return shift.line === 0 && shift.column === 0 ? message : (move(message, shift) as T);
}

function move(value: unknown, shift: Shift): unknown {
  if (Array.isArray(value)) return value.map((each) => move(each, shift));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => {
      const kind = kinds[key];
      return kind !== undefined && typeof each === 'number'
        ? [key, each + shift[kind]]
        : [key, move(each, shift)];
    }),
  );
}
