import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { ResumableStream, type ResumableStreamOptions } from '../../common/resumableStream.ts';
import { seededRandom } from '../support/seed.ts';

/** Two ends with real sockets between them. */
class Pair {
  readonly a: ResumableStream;
  readonly b: ResumableStream;
  readonly #server: Server;
  #sockets: [Socket, Socket] | undefined;

  constructor(server: Server, options: Partial<ResumableStreamOptions>) {
    this.#server = server;
    this.a = new ResumableStream({ name: 'h-1', patience: 30_000, ...options });
    this.b = new ResumableStream({ name: 'h-1', patience: 30_000, ...options });
  }

  async sockets(): Promise<[Socket, Socket]> {
    const { port } = this.#server.address() as { port: number };
    const accepted = once(this.#server, 'connection') as Promise<[Socket]>;
    const near = connect(port, '127.0.0.1');
    near.on('error', () => undefined);
    const [far] = await accepted;
    far.on('error', () => undefined);
    return [near, far];
  }

  async link(): Promise<void> {
    const [near, far] = await this.sockets();
    this.#sockets = [near, far];
    await Promise.all([this.a.attach(near), this.b.attach(far)]);
  }

  /** As when a cable is pulled and one side is told: what is on its way is lost. */
  cut(): void {
    for (const each of this.#sockets ?? []) each.resetAndDestroy();
  }

  dispose(): void {
    this.a.destroy();
    this.b.destroy();
  }
}

async function digest(stream: ResumableStream): Promise<string> {
  const hash = createHash('sha256');
  stream.on('data', (chunk: Buffer) => hash.update(chunk));
  await once(stream, 'end');
  return hash.digest('hex');
}

async function write(stream: ResumableStream, data: Buffer): Promise<void> {
  for (let at = 0; at < data.length; at += 50_000) {
    if (!stream.write(data.subarray(at, at + 50_000))) await once(stream, 'drain');
  }
  stream.end();
}

const hashOf = (data: Buffer): string => createHash('sha256').update(data).digest('hex');

describe('a resumable stream', function () {
  this.timeout(60_000);
  let server: Server;
  let pair: Pair;

  before(async () => {
    server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  after(() => server.close());
  afterEach(() => pair.dispose());

  it('carries bytes both ways over links that are cut all the time', async () => {
    const random = seededRandom('resumable stream');
    pair = new Pair(server, {});
    const [there, back] = [randomBytes(24 << 20), randomBytes(3 << 20)];
    let isOver = false;
    const links = (async () => {
      for (let index = 0; index < 40 && !isOver; index += 1) {
        await pair.link();
        await delay(random() * 40);
        if (!isOver) pair.cut();
      }
      if (!isOver) await pair.link();
    })().catch((error: unknown) => {
      // No link is wanted any more by an end that is done.
      if (!isOver && !pair.a.destroyed && !pair.b.destroyed) throw error;
    });
    const [gotThere, gotBack] = await Promise.all([
      digest(pair.b),
      digest(pair.a),
      write(pair.a, there),
      write(pair.b, back),
    ]);
    isOver = true;
    await links;
    assert.equal(gotThere, hashOf(there));
    assert.equal(gotBack, hashOf(back));
  });

  it('ends when both have ended, with what was written before on the way', async () => {
    pair = new Pair(server, {});
    await pair.link();
    const closed = Promise.all([once(pair.a, 'close'), once(pair.b, 'close')]);
    pair.a.end('last words');
    pair.b.end();
    pair.a.resume();
    assert.equal(await digest(pair.b), hashOf(Buffer.from('last words')));
    await closed;
    assert.equal(pair.a.errored ?? pair.b.errored, null);
  });

  it('counts what one end has said as said when that end leaves right after', async () => {
    pair = new Pair(server, {});
    await pair.link();
    const leaving = (async () => {
      // The end of such a loop destroys the stream, its other direction too.
      for await (const _ of pair.a) void _;
    })();
    pair.b.end('question');
    pair.a.end('answer');
    const [answer] = await Promise.all([digest(pair.b), leaving, once(pair.b, 'close')]);
    assert.equal(answer, hashOf(Buffer.from('answer')));
    assert.equal(pair.b.errored, null);
  });

  it('makes the writer wait while nobody reads, however long that takes', async () => {
    pair = new Pair(server, { window: 100_000, heartbeat: 20 });
    await pair.link();
    let accepted = 0;
    const writing = (async () => {
      for (let index = 0; index < 100; index += 1) {
        accepted = index;
        if (!pair.a.write(Buffer.alloc(10_000))) await once(pair.a, 'drain');
      }
    })();
    await delay(400);
    assert.ok(accepted * 10_000 <= 150_000, String(accepted));
    assert.ok(pair.a.isLinked && pair.b.isLinked, 'waiting is no silence');
    pair.b.resume();
    await writing;
    assert.equal(accepted, 99);
  });

  it('notices a link that has gone silent', async () => {
    pair = new Pair(server, { heartbeat: 20 });
    const [near, far] = await pair.sockets();
    const silent = new Promise<void>((resolve) => {
      pair.a.onDidChangeLink((isLinked) => {
        if (!isLinked) resolve();
      });
    });
    // The far end greets, and is never heard of again.
    far.write(new ResumableGreeting().bytes);
    await pair.a.attach(near);
    pair.a.patience = 200;
    await silent;
    const [error] = (await once(pair.a, 'error')) as [Error];
    assert.match(error.message, /did not come back in time/);
  });

  it('fails when no link comes for as long as its patience, which may change', async () => {
    pair = new Pair(server, { patience: 60_000 });
    await pair.link();
    pair.cut();
    await new Promise<void>((resolve) => {
      pair.a.onDidChangeLink(() => resolve());
    });
    const failed = once(pair.a, 'error') as Promise<[Error]>;
    pair.a.patience = 50;
    assert.match((await failed)[0].message, /did not come back in time/);
    await assert.rejects(pair.link());
  });

  it('tells the other end when it is given up', async () => {
    pair = new Pair(server, { patience: 60_000 });
    await pair.link();
    const failed = once(pair.b, 'error') as Promise<[Error]>;
    pair.a.destroy();
    assert.match((await failed)[0].message, /gave the connection up/);
  });

  it('keeps its link when another one greets for somebody else or not as it should', async () => {
    pair = new Pair(server, {});
    await pair.link();
    for (const words of [new ResumableGreeting('h-2').bytes, Buffer.from('SSH-2.0-OpenSSH\r\n')]) {
      const [near, far] = await pair.sockets();
      far.write(words);
      await assert.rejects(pair.a.attach(near), /another handoff|does not speak/);
      assert.ok(near.destroyed);
    }
    pair.a.end('still here');
    assert.equal(await digest(pair.b), hashOf(Buffer.from('still here')));
  });
});

class ResumableGreeting {
  readonly bytes: Buffer;

  constructor(name = 'h-1') {
    const words = Buffer.from(`flick stream 1\n${name}`);
    const header = Buffer.alloc(11);
    header.writeUInt32BE(words.length, 7);
    this.bytes = Buffer.concat([header, words]);
  }
}
