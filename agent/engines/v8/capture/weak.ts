/** What a WeakRef still leads to; undefined for other objects. */
export function weakTarget(object: object): object | undefined {
  try {
    return WeakRef.prototype.deref.call(object as WeakRef<object>);
  } catch {
    return undefined;
  }
}
