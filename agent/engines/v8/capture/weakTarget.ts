/** What a weak reference refers to; undefined for what is none. */
export function weakTarget(object: object): object | undefined {
  try {
    return WeakRef.prototype.deref.call(object as WeakRef<object>);
  } catch {
    return undefined;
  }
}
