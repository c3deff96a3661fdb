import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectPlain, createServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { silentLogger } from '../../../../common/logger.ts';
import { ResumableStream } from '../../../../common/resumableStream.ts';
import { Deferred } from '../../../../common/deferred.ts';
import { ownAddresses } from '../../../../agent/handoff/link/addresses.ts';
import { dial } from '../../../../agent/handoff/link/dial.ts';
import { HandoffLink } from '../../../../agent/handoff/link/handoffLink.ts';
import { makeLinkIdentity } from '../../../../agent/handoff/link/identity.ts';
import { LinkListener } from '../../../../agent/handoff/link/listener.ts';
import type { LinkOffer } from '../../../../protocol/index.ts';

const handoff = 'h-0123456789abcdef';

interface Half {
  readonly link: HandoffLink;
  readonly offer: LinkOffer;
  readonly joined: Promise<Duplex>;
}

async function half(name = handoff): Promise<Half> {
  const joined = new Deferred<Duplex>();
  const link = new HandoffLink({
    handoff: name,
    patience: 5_000,
    bootId: 'boot',
    logger: silentLogger,
    joined: (stream) => joined.resolve(stream),
  });
  return { link, offer: { ...(await link.offer()), addresses: [] }, joined: joined.promise };
}

describe('links between agents', function () {
  this.timeout(20_000);

  describe('of one handoff', () => {
    let halves: readonly [Half, Half];

    beforeEach(async () => {
      halves = [await half(), await half()];
    });
    afterEach(() => {
      for (const { link } of halves) link.dispose();
    });

    it('find each other, and carry what is said', async () => {
      const [one, other] = halves;
      assert.equal(await other.link.meet(one.offer, false), false);
      assert.equal(await one.link.meet(other.offer, true), true);
      const [near, far] = await Promise.all([one.joined, other.joined]);
      near.write('there');
      assert.equal(String((await once(far, 'data'))[0]), 'there');
      far.write('back');
      assert.equal(String((await once(near, 'data'))[0]), 'back');
    });

    it('are refused to an agent with another certificate', async () => {
      const [one, other] = halves;
      const stranger = await half();
      try {
        await other.link.meet(one.offer, false);
        assert.equal(await stranger.link.meet(other.offer, true).catch(() => false), false);
        assert.equal(other.link.stream.isLinked, false);
        // Nor does who dials believe just anybody.
        const fake = { ...other.offer, fingerprint: stranger.offer.fingerprint };
        assert.equal(await one.link.meet(fake, true), false);
      } finally {
        stranger.link.dispose();
      }
    });

    it('do not serve another handoff', async () => {
      const [one] = halves;
      const elsewhere = await half('h-fedcba9876543210');
      try {
        await elsewhere.link.meet(one.offer, false);
        assert.equal(await one.link.meet(elsewhere.offer, true), false);
      } finally {
        elsewhere.link.dispose();
      }
    });

    it('come back by themselves, also where a stream through the client took their place', async () => {
      const [one, other] = halves;
      await other.link.meet(one.offer, false);
      await one.link.meet(other.offer, true);
      const [near, far] = await Promise.all([one.joined, other.joined]);
      const again = new Promise<void>((resolve) => {
        one.link.stream.onDidChangeLink((isLinked) => {
          if (isLinked) resolve();
        });
      });
      // A link that nobody keeps takes the place of the first one and breaks.
      const spare = new ResumableStream({ name: handoff, patience: 10_000 });
      const [a, b] = await socketPair();
      await Promise.all([one.link.relay(a), spare.attach(b)]);
      spare.destroy();
      b.destroy();
      near.on('error', () => undefined);
      await again;
      assert.ok(far.writable);
    });
  });

  describe('with somebody else at the door', () => {
    let listener: LinkListener;
    let port: number;
    const own = makeLinkIdentity();
    const peer = makeLinkIdentity();

    beforeEach(async () => {
      listener = new LinkListener(own, silentLogger);
      port = await listener.listen();
    });
    afterEach(() => listener.dispose());

    /** Everything that a stranger gets to read. */
    async function readFrom(socket: Duplex, first?: string): Promise<string> {
      let text = '';
      socket.on('error', () => undefined);
      socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
      if (first !== undefined) socket.write(first);
      await new Promise<void>((resolve) => socket.once('close', resolve));
      return text;
    }

    function knock(options: ConnectionOptions): TLSSocket {
      return connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
    }

    const strangers: readonly (readonly [string, () => ConnectionOptions])[] = [
      ['no certificate', () => ({})],
      [
        'another certificate',
        () => {
          const { key, certificate } = makeLinkIdentity();
          return { key, cert: certificate };
        },
      ],
      [
        'TLS 1.2',
        () => ({ key: peer.key, cert: peer.certificate, maxVersion: 'TLSv1.2' as const }),
      ],
    ];
    for (const [what, options] of strangers) {
      it(`gives nothing to ${what}, and counts it`, async () => {
        listener.expect(peer.fingerprint);
        let links = 0;
        listener.onLink(() => (links += 1));
        assert.equal(await readFrom(knock(options())), '');
        assert.deepEqual([links, listener.refused], [0, 1]);
      });
    }

    it('gives nothing to plain text, nor to anybody before the peer is known', async () => {
      // TLS answers nonsense with an alert (RFC 8446, section 6) and no more.
      const early = await readFrom(connectPlain(port, '127.0.0.1'), 'GET / HTTP/1.1\r\n\r\n');
      assert.equal(early, '');
      listener.expect(peer.fingerprint);
      const plain = await readFrom(connectPlain(port, '127.0.0.1'), 'GET / HTTP/1.1\r\n\r\n');
      assert.ok(plain.length <= 7, plain);
      assert.equal(listener.refused, 2);
    });

    it('lets in the peer, again and again, past those who only hold the door', async () => {
      listener.expect(peer.fingerprint);
      const silent = Array.from({ length: 6 }, () => connectPlain(port, '127.0.0.1'));
      await Promise.all(silent.map((each) => readFrom(each)));
      assert.ok(listener.refused >= 2);
      const offer = { addresses: [], port, fingerprint: own.fingerprint, bootId: 'boot' };
      for (let time = 0; time < 8; time += 1) {
        const arrived = new Promise<TLSSocket>((resolve) => {
          const subscription = listener.onLink((socket) => {
            subscription.dispose();
            resolve(socket);
          });
        });
        const socket = await dial(offer, peer, { loopback: true, timeoutMs: 2_000 });
        assert.equal(socket?.getProtocol(), 'TLSv1.3');
        (await arrived).destroy();
        socket.destroy();
      }
    });

    it('is gone with its handoff', async () => {
      listener.dispose();
      const [error] = (await once(connectPlain(port, '127.0.0.1'), 'error')) as [Error];
      assert.match(error.message, /ECONNREFUSED/);
    });
  });

  it('are offered at addresses that others can use only', () => {
    const at = (address: string, internal = false): never =>
      ({ address, internal, family: address.includes(':') ? 'IPv6' : 'IPv4' }) as never;
    assert.deepEqual(
      ownAddresses({
        lo: [at('127.0.0.1', true), at('::1', true)],
        eth0: [at('10.0.0.7'), at('fe80::1'), at('2001:db8::7')],
        wlan0: [at('169.254.3.4'), at('10.0.0.7')],
      }),
      ['10.0.0.7', '2001:db8::7'],
    );
  });
});

async function socketPair(): Promise<[Duplex, Duplex]> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const accepted = once(server, 'connection') as Promise<[Duplex]>;
  const near = connectPlain((server.address() as { port: number }).port, '127.0.0.1');
  const [far] = await accepted;
  server.close();
  for (const each of [near, far]) each.on('error', () => undefined);
  return [near, far];
}
