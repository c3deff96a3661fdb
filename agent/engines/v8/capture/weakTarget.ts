/** What a weak reference refers to; undefined for what is none. */
export function weakTarget(object: object): object | undefined {
  // Most objects are none, and the stack of the error that tells so costs more than all else.
  const limit = Reflect.getOwnPropertyDescriptor(Error, 'stackTraceLimit');
  const isPlain = limit?.writable === true;
  if (isPlain) Error.stackTraceLimit = 0;
  try {
    return WeakRef.prototype.deref.call(object as WeakRef<object>);
  } catch {
    return undefined;
  } finally {
    if (isPlain) Error.stackTraceLimit = limit.value as number;
  }
}
