import type { Graph } from '../capture/graph.ts';
import { loadedGlobal, loadedModule } from './loaded.ts';

/** What cannot be carried, as a person would call it, by the module that has its classes. */
const ofModules: readonly (readonly [what: string, module: string, classes: readonly string[]])[] =
  [
    ['a hash in progress', 'crypto', ['Hash', 'Hmac']],
    ['a cipher in progress', 'crypto', ['Cipheriv', 'Decipheriv', 'Cipher', 'Decipher']],
    ['a signature in progress', 'crypto', ['Sign', 'Verify']],
    ['a key', 'crypto', ['KeyObject', 'DiffieHellman', 'DiffieHellmanGroup', 'ECDH']],
    ['a certificate', 'crypto', ['X509Certificate']],
    ['a zlib stream', 'zlib', ['Gzip', 'Gunzip', 'Deflate', 'DeflateRaw', 'Inflate']],
    ['a zlib stream', 'zlib', ['InflateRaw', 'Unzip', 'BrotliCompress', 'BrotliDecompress']],
    ['a zlib stream', 'zlib', ['ZstdCompress', 'ZstdDecompress']],
    ['a script of node:vm', 'vm', ['Script']],
    ['a module of node:vm', 'vm', ['Module', 'SourceTextModule', 'SyntheticModule']],
    ['a worker thread', 'worker_threads', ['Worker']],
    ['a BroadcastChannel', 'worker_threads', ['BroadcastChannel']],
    ['a child process', 'child_process', ['ChildProcess']],
    ['a connection with encryption', 'tls', ['TLSSocket']],
    ['a server with encryption', 'tls', ['Server']],
    ['a session of the inspector', 'inspector', ['Session']],
    ['a resolver of names', 'dns', ['Resolver']],
    ['an observer of performance', 'perf_hooks', ['PerformanceObserver']],
    ['a blob', 'buffer', ['Blob', 'File']],
  ];

const ofStreams = [
  ...['ReadableStream', 'ReadableStreamDefaultReader', 'ReadableStreamBYOBReader'],
  ...['ReadableStreamDefaultController', 'ReadableByteStreamController'],
  ...['WritableStream', 'WritableStreamDefaultWriter', 'WritableStreamDefaultController'],
  ...['TransformStream', 'TransformStreamDefaultController'],
  ...['TextEncoderStream', 'TextDecoderStream', 'CompressionStream', 'DecompressionStream'],
];

const ofAssembly: Readonly<Record<string, string>> = {
  Instance: 'a WebAssembly instance',
  Module: 'a WebAssembly module',
  Memory: 'the memory of a WebAssembly instance',
  Table: 'a table of a WebAssembly instance',
  Global: 'a variable of a WebAssembly instance',
};

let found: Map<object, string> | undefined;

function words(): ReadonlyMap<object, string> {
  if (found !== undefined) return found;
  found = new Map();
  const add = (made: unknown, what: string): void => {
    const { prototype } = (made ?? {}) as { prototype?: object };
    if (prototype !== undefined) found?.set(prototype, what);
  };
  for (const [what, module, classes] of ofModules) {
    const exported = loadedModule(module);
    if (exported === undefined) continue;
    for (const name of classes) {
      // What a getter would warn of is not asked for.
      add(Reflect.getOwnPropertyDescriptor(exported, name)?.value, what);
    }
  }
  for (const name of ofStreams) {
    add(loadedGlobal(name, 'internal/webstreams/readablestream'), 'a web stream');
  }
  const { WebAssembly: assembly } = globalThis as { WebAssembly?: object };
  for (const [name, what] of Object.entries(ofAssembly)) {
    if (assembly !== undefined) add(Reflect.get(assembly, name), what);
  }
  return found;
}

/** @throws {Refusal} for what no adapter can carry, with the word that people have for it */
export function refuseKnown(graph: Graph, object: object): void {
  const table = words();
  for (
    let proto = Object.getPrototypeOf(object) as object | null;
    proto !== null;
    proto = Object.getPrototypeOf(proto) as object | null
  ) {
    const what = table.get(proto);
    if (what !== undefined) throw cannot(graph, what);
  }
  const vm = loadedModule('vm') as { isContext(object: object): boolean } | undefined;
  if (vm?.isContext(object) === true) throw cannot(graph, 'a vm context');
}

function cannot(graph: Graph, what: string): Error {
  return graph.refuse(`${what}, which cannot be carried`, {
    hint: 'Move when it is done with, or let go of it before the move.',
  });
}
