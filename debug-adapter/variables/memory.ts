import type { DebugProtocol } from '@vscode/debugprotocol';
import type { CdpThread, Protocol } from '../cdp.ts';
import { UserError } from '../userError.ts';
import { call } from './assignment.ts';
import { readBytes, writeBytes } from './inProcess.ts';

/** Most that is read or written at once, in bytes. */
const maxBytes = 4 << 20;

const withMemory = new Set(['arraybuffer', 'typedarray', 'dataview', 'webassemblymemory']);

export function hasMemory({ subtype, className }: Protocol.Runtime.RemoteObject): boolean {
  return (subtype !== undefined && withMemory.has(subtype)) || className === 'SharedArrayBuffer';
}

/** The buffers that an editor knows by name. */
export class Memories {
  readonly #buffers = new Map<string, { readonly thread: CdpThread; readonly objectId: string }>();
  readonly #names = new Map<string, string>();

  add(thread: CdpThread, objectId: string): string {
    const key = `${thread.thread}:${objectId}`;
    const known = this.#names.get(key);
    if (known !== undefined) return known;
    const name = `memory-${this.#names.size + 1}`;
    this.#names.set(key, name);
    this.#buffers.set(name, { thread, objectId });
    return name;
  }

  /** @throws {UserError} for a buffer that is not known */
  async read(
    { memoryReference, offset = 0, count }: DebugProtocol.ReadMemoryArguments,
    signal: AbortSignal,
  ): Promise<NonNullable<DebugProtocol.ReadMemoryResponse['body']>> {
    const { thread, objectId } = this.#get(memoryReference);
    const values = [{ value: offset }, { value: Math.min(count, maxBytes) }];
    const answer = await call(thread, objectId, readBytes, values, signal, { byValue: true });
    const { data, start } = answer.value as { data: string; start: number; size: number };
    const bytes = Buffer.from(data, 'base64').length;
    return {
      address: String(start),
      data,
      ...(bytes < count ? { unreadableBytes: count - bytes } : {}),
    };
  }

  /** @throws {UserError} for a buffer that is not known, or bytes beyond its end */
  async write(
    { memoryReference, offset = 0, data, allowPartial = false }: DebugProtocol.WriteMemoryArguments,
    signal: AbortSignal,
  ): Promise<NonNullable<DebugProtocol.WriteMemoryResponse['body']>> {
    const { thread, objectId } = this.#get(memoryReference);
    const bytes = Buffer.from(data, 'base64');
    if (bytes.length > maxBytes) throw new UserError('That is too much to write at once.');
    const values = [
      { value: offset },
      { value: bytes.toString('base64') },
      { value: allowPartial },
    ];
    const answer = await call(thread, objectId, writeBytes, values, signal, { byValue: true });
    const written = Number(answer.value);
    if (written < 0) throw new UserError('The buffer ends before that.');
    return { offset, bytesWritten: written };
  }

  #get(name: string): { readonly thread: CdpThread; readonly objectId: string } {
    const found = this.#buffers.get(name);
    if (found === undefined) throw new UserError('That buffer is not known (any more).');
    return found;
  }
}
