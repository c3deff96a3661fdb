import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  fingerprint,
  hostNames,
  keyTypeOf,
  KnownHosts,
  rememberHost,
  type HostKeyVerdict,
} from '../../../../client/transports/ssh/knownHosts.ts';
import { temporaryFolder } from '../../../support/temporary.ts';

/** A key as it goes over the wire, of no use but to be compared. */
function makeKey(type = 'ssh-ed25519'): Buffer {
  const string = (bytes: Buffer): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  };
  return Buffer.concat([string(Buffer.from(type)), string(randomBytes(32))]);
}

const line = (key: Buffer): string => `${keyTypeOf(key)} ${key.toString('base64')}`;

function hashed(name: string): string {
  const salt = randomBytes(20);
  const digest = createHmac('sha1', salt).update(name).digest('base64');
  return `|1|${salt.toString('base64')}|${digest}`;
}

describe('known hosts', () => {
  const key = makeKey();
  const other = makeKey();
  const rsa = makeKey('ssh-rsa');
  let folder: ReturnType<typeof temporaryFolder>;
  let file: string;

  beforeEach(() => {
    folder = temporaryFolder();
    file = join(folder.path, 'known_hosts');
  });
  afterEach(() => folder.remove());

  const read = async (...lines: readonly string[]): Promise<KnownHosts> => {
    writeFileSync(file, lines.map((each) => `${each}\n`).join(''));
    return KnownHosts.read([join(folder.path, 'absent'), file]);
  };
  const verdict = async (
    lines: readonly string[],
    host: string,
    port = 22,
    alias?: string,
  ): Promise<HostKeyVerdict['kind']> =>
    (await read(...lines)).check(hostNames(host, port, alias), key).kind;

  const cases: readonly (readonly [
    title: string,
    lines: readonly string[],
    host: string,
    port: number,
    expected: HostKeyVerdict['kind'],
  ])[] = [
    ['a plain name', [`alpha ${line(key)}`], 'alpha', 22, 'known'],
    ['a name in other letters', [`Alpha ${line(key)}`], 'ALPHA', 22, 'known'],
    ['a comment behind the key', [`alpha ${line(key)} me@here of 2020`], 'alpha', 22, 'known'],
    ['comments and empty lines', ['', '# alpha', `  alpha ${line(key)}`], 'alpha', 22, 'known'],
    ['Windows line ends', [`alpha ${line(key)}\r`], 'alpha', 22, 'known'],
    ['an address in a list', [`alpha,10.0.0.2 ${line(key)}`], '10.0.0.2', 22, 'known'],
    ['another host', [`beta ${line(key)}`], 'alpha', 22, 'unknown'],
    ['a name that only begins alike', [`alpha.local ${line(key)}`], 'alpha', 22, 'unknown'],
    ['a dot is a dot', [`a.c ${line(key)}`], 'abc', 22, 'unknown'],
    ['another key', [`alpha ${line(other)}`], 'alpha', 22, 'changed'],
    ['one of several keys', [`alpha ${line(other)}`, `alpha ${line(key)}`], 'alpha', 22, 'known'],
    ['a key of another type only', [`alpha ${line(rsa)}`], 'alpha', 22, 'changed'],
    ['a port', [`[alpha]:2222 ${line(key)}`], 'alpha', 2222, 'known'],
    ['another port', [`[alpha]:2222 ${line(key)}`], 'alpha', 2223, 'unknown'],
    ['a port for the standard port', [`[alpha]:2222 ${line(key)}`], 'alpha', 22, 'unknown'],
    ['no port, right key', [`alpha ${line(key)}`], 'alpha', 2222, 'known'],
    ['no port, other key', [`alpha ${line(other)}`], 'alpha', 2222, 'unknown'],
    [
      'a changed key on a port is not excused by the host',
      [`[alpha]:2222 ${line(other)}`, `alpha ${line(key)}`],
      'alpha',
      2222,
      'changed',
    ],
    ['an IPv6 address', [`fe80::1 ${line(key)}`], 'fe80::1', 22, 'known'],
    ['an IPv6 address with a port', [`[fe80::1]:2222 ${line(key)}`], 'fe80::1', 2222, 'known'],
    ['a hashed name', [`${hashed('alpha')} ${line(key)}`], 'Alpha', 22, 'known'],
    ['a hashed name with port', [`${hashed('[alpha]:2222')} ${line(key)}`], 'alpha', 2222, 'known'],
    ['another hashed name', [`${hashed('beta')} ${line(key)}`], 'alpha', 22, 'unknown'],
    ['a changed hashed name', [`${hashed('alpha')} ${line(other)}`], 'alpha', 22, 'changed'],
    ['a wildcard', [`*.lab ${line(key)}`], 'alpha.lab', 22, 'known'],
    ['a question mark', [`alph? ${line(key)}`], 'alpha', 22, 'known'],
    ['a wildcard with port', [`[10.0.0.*]:* ${line(key)}`], '10.0.0.2', 2222, 'known'],
    ['a negation', [`*.lab,!alpha.lab ${line(key)}`], 'alpha.lab', 22, 'unknown'],
    ['a negation of another', [`!beta.lab,*.lab ${line(key)}`], 'alpha.lab', 22, 'known'],
    ['a negation alone', [`!beta ${line(key)}`], 'alpha', 22, 'unknown'],
    ['a revoked key', [`alpha ${line(key)}`, `@revoked * ${line(key)}`], 'alpha', 22, 'revoked'],
    ['a revoked key of no known host', [`@revoked * ${line(key)}`], 'alpha', 22, 'revoked'],
    ['another revoked key', [`@revoked * ${line(other)}`], 'alpha', 22, 'unknown'],
    ['revoked for another host', [`@revoked beta ${line(key)}`], 'alpha', 22, 'unknown'],
    ['an authority', [`@cert-authority * ${line(key)}`], 'alpha', 22, 'unknown'],
    ['an unknown marker', [`@later alpha ${line(key)}`], 'alpha', 22, 'unknown'],
    ['a line cut short', ['alpha ssh-ed25519', `alpha ${line(key)}`], 'alpha', 22, 'known'],
    ['a damaged key', ['alpha ssh-ed25519 AAAA'], 'alpha', 22, 'unknown'],
    [
      'a key that is not of its type',
      [`alpha ssh-rsa ${key.toString('base64')}`],
      'alpha',
      22,
      'unknown',
    ],
  ];
  for (const [title, lines, host, port, expected] of cases) {
    it(`${title}: ${expected}`, async () =>
      assert.equal(await verdict(lines, host, port), expected));
  }

  it('looks an alias up without host and port', async () => {
    assert.equal(await verdict([`box ${line(key)}`], '10.0.0.2', 2222, 'Box'), 'known');
    assert.equal(
      await verdict([`[10.0.0.2]:2222 ${line(key)}`], '10.0.0.2', 2222, 'box'),
      'unknown',
    );
  });

  it('says where the expected keys of a changed host stand', async () => {
    const known = await read('# first', `alpha ${line(other)}`, `*,!beta ${line(rsa)}`);
    assert.deepEqual(known.check(['alpha'], key), {
      kind: 'changed',
      expected: [
        { fingerprint: fingerprint(other), where: `${file}:2` },
        { fingerprint: fingerprint(rsa), where: `${file}:3` },
      ],
    });
  });

  it('names the types of keys that are known, once each', async () => {
    const known = await read(
      `alpha ${line(rsa)}`,
      `[alpha]:2222 ${line(key)}`,
      `alpha ${line(makeKey('ssh-rsa'))}`,
      `@revoked alpha ${line(makeKey('ecdsa-sha2-nistp256'))}`,
    );
    assert.deepEqual(known.keyTypes(hostNames('alpha', 22)), ['ssh-rsa']);
    assert.deepEqual(known.keyTypes(hostNames('alpha', 2222)), ['ssh-ed25519', 'ssh-rsa']);
  });

  it('remembers keys for their owner only, on lines of their own', async () => {
    const own = join(folder.path, 'flick/known_hosts');
    await rememberHost(own, '[alpha]:2222', key);
    assert.equal(statSync(own).mode & 0o777, 0o600);
    writeFileSync(own, '# no end of line', { flag: 'a' });
    await rememberHost(own, 'beta', other);
    assert.equal(
      readFileSync(own, 'utf8'),
      `[alpha]:2222 ${line(key)}\n# no end of line\nbeta ${line(other)}\n`,
    );
    const known = await KnownHosts.read([own]);
    assert.equal(known.check(['[alpha]:2222'], key).kind, 'known');
    assert.equal(known.check(['beta'], other).kind, 'known');
  });
});
