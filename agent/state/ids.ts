import { randomBytes } from 'node:crypto';

const alphabet = '0123456789abcdefghijklmnopqrstuvwxyz';

/** A random id such as `p-3k9x0v2m1q`: letters and digits that survive shells, paths and file names. */
export function randomId(prefix: string, length: number): string {
  let id = '';
  while (id.length < length) {
    for (const byte of randomBytes(length)) {
      // 252 is the largest multiple of 36 below 256: beyond it some letters would be likelier than others.
      if (byte < 252 && id.length < length) id += alphabet.charAt(byte % alphabet.length);
    }
  }
  return `${prefix}-${id}`;
}
