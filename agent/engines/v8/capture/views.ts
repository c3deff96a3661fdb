import { types } from 'node:util';
import type { KindRecord, ObjectRecord } from '../capsule/format.ts';
import type { Graph } from './graph.ts';

interface Resizable {
  readonly resizable?: boolean;
  readonly growable?: boolean;
  readonly maxByteLength?: number;
}

/**
 * The length of a view in elements; null when it goes with the length of its buffer, which only a change of that one
 * shows, and that is undone at once.
 * @returns undefined when it cannot be told: a shared buffer does not become smaller again
 */
function lengthOfView(view: ArrayBufferView): number | null | undefined {
  const measure = (): number => (view as { length?: number }).length ?? view.byteLength;
  const length = measure();
  const buffer = view.buffer as ArrayBuffer & Resizable & { resize(size: number): void };
  const size = buffer.byteLength;
  const unit = (view as { BYTES_PER_ELEMENT?: number }).BYTES_PER_ELEMENT ?? 1;
  const { byteOffset } = view;
  const reachesEnd = size - (byteOffset + view.byteLength) < unit;
  if (!reachesEnd || (buffer.growable !== true && buffer.resizable !== true)) return length;
  if (buffer.growable === true) return undefined;
  if (size + unit <= (buffer.maxByteLength ?? size)) {
    buffer.resize(size + unit);
    const grew = measure() !== length;
    buffer.resize(size);
    return grew ? null : length;
  }
  if (length <= 1) return length;
  const short = byteOffset + unit;
  const cut = new Uint8Array(buffer).slice(short);
  buffer.resize(short);
  const shrank = measure() === 1;
  buffer.resize(size);
  new Uint8Array(buffer).set(cut, short);
  return shrank ? null : length;
}

/** @throws {Refusal} */
export function viewRecord(graph: Graph, object: ArrayBufferView): ObjectRecord {
  const type = types.isDataView(object)
    ? 'DataView'
    : (Reflect.get(
        Object.getPrototypeOf(Uint8Array.prototype) as object,
        Symbol.toStringTag,
        object,
      ) as string);
  const { buffer, byteOffset: offset } = object;
  const skip = (key: string | symbol): boolean => typeof key === 'string' && /^\d+$/.test(key);
  const length = lengthOfView(object);
  if (length === undefined) throw graph.refuse('a view of a shared buffer that may grow');
  return graph.finish(
    { k: 'view', type, buffer: graph.value(buffer, 'buffer'), offset, length },
    object,
    skip,
  );
}

export function bufferRecord(graph: Graph, object: ArrayBufferLike): ObjectRecord {
  const data = Buffer.from(object).toString('base64');
  const record: Extract<KindRecord, { k: 'buf' }> = { k: 'buf', data };
  if (types.isSharedArrayBuffer(object)) record.shared = 1;
  const { resizable, growable, maxByteLength } = object as Resizable;
  if ((resizable === true || growable === true) && maxByteLength !== undefined)
    record.max = maxByteLength;
  return graph.finish(record, object);
}
