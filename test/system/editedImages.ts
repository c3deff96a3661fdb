import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/** Field numbers of CRIU's core.proto and creds.proto. */
const coreThread = 5;
const threadCreds = 10;
const userFields = [1, 3, 5, 7];
const capabilityFields = [9, 10, 11, 12];
/** Both words of every capability that there is. */
const allCapabilities = [0xffffffff, 0x1ff];

export interface Claims {
  /** User ids: real, effective, saved, file system. */
  readonly uids?: readonly number[];
  readonly capabilities?: boolean;
}

/** Images in which every task claims to be somebody else. */
export function claiming(
  images: ReadonlyMap<string, Buffer>,
  claims: Claims,
): ReadonlyMap<string, Buffer> {
  return new Map(
    [...images].map(([name, content]) => [
      name,
      /^core-\d+\.img$/.test(name) ? editCore(content, claims) : content,
    ]),
  );
}

function editCore(content: Buffer, claims: Claims): Buffer {
  const length = content.readUInt32LE(8);
  const core = content.subarray(12, 12 + length);
  const edited = editField(core, coreThread, (thread) =>
    editField(thread, threadCreds, (creds) => editCredentials(creds, claims)),
  );
  const size = Buffer.alloc(4);
  size.writeUInt32LE(edited.length);
  return Buffer.concat([content.subarray(0, 8), size, edited, content.subarray(12 + length)]);
}

function editCredentials(creds: Uint8Array, { uids, capabilities }: Claims): Uint8Array {
  const replaced = [...(uids === undefined ? [] : userFields)];
  if (capabilities === true) replaced.push(...capabilityFields);
  const parts: Uint8Array[] = [];
  const reader = new BinaryReader(creds);
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [number, wire] = reader.tag();
    reader.skip(wire, number);
    if (!replaced.includes(number)) parts.push(creds.subarray(start, reader.pos));
  }
  const writer = new BinaryWriter();
  for (const [index, number] of userFields.entries()) {
    if (uids === undefined) break;
    writer.tag(number, WireType.Varint).uint32(uids[index] ?? uids[0] ?? 0);
  }
  for (const number of capabilities === true ? capabilityFields : []) {
    for (const word of allCapabilities) writer.tag(number, WireType.Varint).uint32(word);
  }
  return Buffer.concat([...parts, writer.finish()]);
}

function editField(
  message: Uint8Array,
  number: number,
  edit: (inner: Uint8Array) => Uint8Array,
): Uint8Array {
  const reader = new BinaryReader(message);
  const parts: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [field, wire] = reader.tag();
    if (field === number && wire === WireType.LengthDelimited) {
      parts.push(new BinaryWriter().tag(field, wire).bytes(edit(reader.bytes())).finish());
    } else {
      reader.skip(wire, field);
      parts.push(message.subarray(start, reader.pos));
    }
  }
  return Buffer.concat(parts);
}
