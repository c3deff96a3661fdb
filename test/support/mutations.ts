/** Flips a bit, overwrites, cuts off, repeats, inserts or removes a region. */
export function mutate(content: Buffer, random: () => number): Buffer {
  const at = Math.floor(random() * content.length);
  const length = 1 + Math.floor(random() ** 3 * (content.length - at));
  const region = content.subarray(at, at + length);
  const before = content.subarray(0, at);
  const after = content.subarray(at + length);
  switch (Math.floor(random() * 6)) {
    case 0: {
      const copy = Buffer.from(content);
      copy.writeUInt8(copy.readUInt8(at) ^ (1 << Math.floor(random() * 8)), at);
      return copy;
    }
    case 1:
      return Buffer.concat([before, Buffer.alloc(length, Math.floor(random() * 256)), after]);
    case 2:
      return before;
    case 3:
      return Buffer.concat([before, region, region, after]);
    case 4: {
      const strange = Buffer.from(Array.from({ length: length % 100 }, () => random() * 256));
      return Buffer.concat([before, strange, region, after]);
    }
    default:
      return Buffer.concat([before, after]);
  }
}
