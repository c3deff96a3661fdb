export type StandardName = 'stdin' | 'stdout' | 'stderr';

/** Which of the standard streams an object is; undefined for others. */
export function standardStream(object: object): StandardName | undefined {
  if (!(object instanceof Object) || !('fd' in object) || !('on' in object)) return undefined;
  const names = ['stdin', 'stdout', 'stderr'] as const;
  const name = typeof object.fd === 'number' ? names[object.fd] : undefined;
  return name !== undefined && process[name] === (object as unknown) ? name : undefined;
}
