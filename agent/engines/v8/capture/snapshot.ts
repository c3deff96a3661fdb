import { getHeapSnapshot, setFlagsFromString } from 'node:v8';

/** Names only; the values of strings are taken from the objects themselves. */
const stringLimit = 300;

export interface Edge {
  readonly type: string;
  /** A name, or an index for elements and hidden references. */
  readonly name: string | number;
  readonly to: number;
}

/** A heap snapshot in typed arrays. Nodes are numbered from 0. */
export class Snapshot {
  readonly count: number;
  readonly #nodes: Float64Array;
  readonly #edges: Float64Array;
  readonly #strings: string[];
  readonly #first: Uint32Array;
  readonly #nodeFields: number;
  readonly #edgeFields: number;
  readonly #nameField: number;
  readonly #idField: number;
  readonly #nodeTypes: readonly string[];
  readonly #edgeTypes: readonly string[];
  readonly #indexed: ReadonlySet<number>;
  readonly #byId = new Map<number, number>();
  readonly #interned = new Map<string, number>();

  /** Takes one of this thread's heap, synchronously, Smi values included. */
  static take(): Snapshot {
    setFlagsFromString(`--heap-snapshot-string-limit=${stringLimit}`);
    try {
      const stream = getHeapSnapshot({ exposeInternals: true, exposeNumericValues: true });
      const chunks: Buffer[] = [];
      for (let chunk = stream.read() as Buffer | null; chunk !== null;) {
        chunks.push(chunk);
        chunk = stream.read() as Buffer | null;
      }
      return new Snapshot(
        chunks.length === 1 ? (chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(chunks),
      );
    } finally {
      setFlagsFromString('--heap-snapshot-string-limit=1024');
    }
  }

  constructor(bytes: Buffer) {
    const nodesAt = bytes.indexOf('"nodes":[');
    const head = JSON.parse(`${bytes.toString('latin1', 0, nodesAt).replace(/,\s*$/, '')}}`) as {
      snapshot: {
        meta: {
          node_fields: string[];
          node_types: unknown[];
          edge_fields: string[];
          edge_types: unknown[];
        };
        node_count: number;
        edge_count: number;
      };
    };
    const { meta, node_count: count, edge_count: edgeCount } = head.snapshot;
    this.count = count;
    this.#nodeFields = meta.node_fields.length;
    this.#edgeFields = meta.edge_fields.length;
    this.#nameField = meta.node_fields.indexOf('name');
    this.#idField = meta.node_fields.indexOf('id');
    this.#nodeTypes = meta.node_types[0] as string[];
    this.#edgeTypes = meta.edge_types[0] as string[];
    this.#indexed = new Set(['element', 'hidden'].map((name) => this.#edgeTypes.indexOf(name)));
    this.#nodes = new Float64Array(count * this.#nodeFields);
    const edgesAt = fill(this.#nodes, bytes, nodesAt + 9);
    this.#edges = new Float64Array(edgeCount * this.#edgeFields);
    const edgesStart = bytes.indexOf('[', edgesAt) + 1;
    const edgesEnd = fill(this.#edges, bytes, edgesStart);
    const stringsAt = bytes.indexOf('"strings":[', edgesEnd);
    this.#strings = JSON.parse(
      bytes.toString('utf8', stringsAt + 10, bytes.lastIndexOf('}')),
    ) as string[];
    this.#first = new Uint32Array(count + 1);
    const edgeCountField = meta.node_fields.indexOf('edge_count');
    let edge = 0;
    for (let node = 0; node < count; node += 1) {
      this.#first[node] = edge;
      edge += this.#nodes[node * this.#nodeFields + edgeCountField] ?? 0;
    }
    this.#first[count] = edge;
  }

  name(node: number): string {
    return this.#strings[this.#nodes[node * this.#nodeFields + this.#nameField] ?? 0] ?? '';
  }

  type(node: number): string {
    return this.#nodeTypes[this.#nodes[node * this.#nodeFields] ?? 0] ?? '';
  }

  id(node: number): number {
    return this.#nodes[node * this.#nodeFields + this.#idField] ?? 0;
  }

  /** The node with an id; -1 when there is none. */
  withId(id: number): number {
    if (this.#byId.size === 0) {
      for (let node = 0; node < this.count; node += 1) this.#byId.set(this.id(node), node);
    }
    return this.#byId.get(id) ?? -1;
  }

  edges(node: number): Edge[] {
    const found: Edge[] = [];
    for (let edge = this.#first[node] ?? 0; edge < (this.#first[node + 1] ?? 0); edge += 1) {
      const at = edge * this.#edgeFields;
      const type = this.#edges[at] ?? 0;
      const name = this.#edges[at + 1] ?? 0;
      found.push({
        type: this.#edgeTypes[type] ?? '',
        name: this.#indexed.has(type) ? name : (this.#strings[name] ?? ''),
        to: (this.#edges[at + 2] ?? 0) / this.#nodeFields,
      });
    }
    return found;
  }

  /** Where the named reference of a node leads to; -1 when it has none. */
  follow(node: number, name: string): number {
    const index = this.#intern(name);
    for (let edge = this.#first[node] ?? 0; edge < (this.#first[node + 1] ?? 0); edge += 1) {
      const at = edge * this.#edgeFields;
      if (this.#edges[at + 1] === index && !this.#indexed.has(this.#edges[at] ?? 0)) {
        return (this.#edges[at + 2] ?? 0) / this.#nodeFields;
      }
    }
    return -1;
  }

  #intern(name: string): number {
    let index = this.#interned.get(name);
    if (index === undefined) {
      index = this.#strings.indexOf(name);
      this.#interned.set(name, index);
    }
    return index;
  }
}

/** Reads whole numbers separated by commas, up to the bracket. @returns the offset behind it */
function fill(into: Float64Array, bytes: Buffer, from: number): number {
  let at = from;
  let index = 0;
  let value = 0;
  let digits = false;
  for (;;) {
    const byte = bytes[at] ?? 93;
    at += 1;
    if (byte >= 48 && byte <= 57) {
      value = value * 10 + byte - 48;
      digits = true;
    } else {
      if (digits) {
        into[index] = value;
        index += 1;
        value = 0;
        digits = false;
      }
      if (byte === 93) return at;
    }
  }
}
