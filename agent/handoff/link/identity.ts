import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  Certificate,
  Name,
  RelativeDistinguishedName,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from '@peculiar/asn1-x509';

/** What one agent shows to the other in one handoff: made for it, kept in memory only. */
export interface LinkIdentity {
  /** PEM. */
  readonly key: string;
  /** PEM. */
  readonly certificate: string;
  /** SHA-256 of the certificate's DER form, in lower-case hexadecimal. */
  readonly fingerprint: string;
}

/** RFC 5758, section 3.2. */
const ecdsaWithSha256 = '1.2.840.10045.4.3.2';
/** RFC 4519, section 2.3. */
const commonName = '2.5.4.3';
const day = 24 * 60 * 60 * 1000;

/** A key (P-256) and a self-signed certificate for it. Whoever checks it compares fingerprints and looks at nothing else. */
export function makeLinkIdentity(): LinkIdentity {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = new AlgorithmIdentifier({ algorithm: ecdsaWithSha256 });
  const name = new Name([
    new RelativeDistinguishedName([
      new AttributeTypeAndValue({
        type: commonName,
        value: new AttributeValue({ utf8String: 'flick' }),
      }),
    ]),
  ]);
  const serial = randomBytes(16);
  // Positive and not shortened, as RFC 5280 (section 4.1.2.2) wants it.
  serial.writeUInt8((serial.readUInt8(0) & 0x3f) | 0x40, 0);
  const content = new TBSCertificate({
    version: Version.v3,
    serialNumber: arrayBufferOf(serial),
    signature: algorithm,
    issuer: name,
    subject: name,
    // Clocks of devices differ.
    validity: new Validity({
      notBefore: new Date(Date.now() - day),
      notAfter: new Date(Date.now() + day),
    }),
    subjectPublicKeyInfo: AsnConvert.parse(
      publicKey.export({ type: 'spki', format: 'der' }),
      SubjectPublicKeyInfo,
    ),
  });
  const signature = sign('sha256', Buffer.from(AsnConvert.serialize(content)), privateKey);
  const der = Buffer.from(
    AsnConvert.serialize(
      new Certificate({
        tbsCertificate: content,
        signatureAlgorithm: algorithm,
        signatureValue: arrayBufferOf(signature),
      }),
    ),
  );
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certificate: `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----\n`,
    fingerprint: fingerprintOf(der),
  };
}

export function fingerprintOf(der: Buffer): string {
  return createHash('sha256').update(der).digest('hex');
}

function arrayBufferOf(bytes: Buffer): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
