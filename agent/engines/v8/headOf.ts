const maxShown = 300;

/** The first line of a stack. */
export function headOf(details: string): string {
  return (details.split('\n', 1)[0] ?? '').slice(0, maxShown);
}
