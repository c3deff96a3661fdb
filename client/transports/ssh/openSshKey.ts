const magic = 'openssh-key-v1\0';

/**
 * The public half of an encrypted private key, which OpenSSH's own format keeps readable (PROTOCOL.key of OpenSSH).
 * @returns a line as in a `.pub` file; undefined for other formats
 */
export function publicKeyOf(content: Buffer): string | undefined {
  const match =
    /-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END OPENSSH PRIVATE KEY-----/.exec(
      content.toString('latin1'),
    );
  if (match?.[1] === undefined) return undefined;
  const bytes = Buffer.from(match[1], 'base64');
  if (bytes.toString('latin1', 0, magic.length) !== magic) return undefined;
  let at = magic.length;
  const next = (): Buffer | undefined => {
    if (at + 4 > bytes.length) return undefined;
    const start = at + 4;
    const end = start + bytes.readUInt32BE(at);
    if (end > bytes.length) return undefined;
    at = end;
    return bytes.subarray(start, end);
  };
  // Cipher, key derivation and its options; then the number of keys, which is always 1.
  next();
  next();
  next();
  at += 4;
  const key = next();
  const type =
    key === undefined || key.length < 4 ? undefined : key.subarray(4, 4 + key.readUInt32BE(0));
  if (key === undefined || type === undefined) return undefined;
  return `${type.toString('latin1')} ${key.toString('base64')}`;
}
