import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  chunkBytes,
  chunkPages,
  chunksOf,
  pageBytes,
  runsOf,
  type Chunk,
} from '../../../agent/memory/chunks.ts';
import { MemoryImage } from '../../../agent/memory/memoryImage.ts';
import { MemoryReceiver } from '../../../agent/memory/memoryReceiver.ts';
import { MemorySender } from '../../../agent/memory/memorySender.ts';
import { ProcessMemory } from '../../../agent/memory/processMemory.ts';
import { FlickError } from '../../../protocol/index.ts';
import { seededRandom } from '../../support/seed.ts';
import { temporaryFolder } from '../../support/temporary.ts';
import { stop } from './stop.ts';

const program = `
  const { randomFillSync } = require('node:crypto');
  const buffers = Array.from({ length: 24 }, () => randomFillSync(Buffer.alloc(1 << 20)));
  const zeros = Buffer.alloc(4 << 20, 1).fill(0);
  process.stdin.on('data', () => {
    for (let i = 0; i < 40; i += 1) buffers[i % 24][i * 7919] ^= 0x5a;
    console.log('changed', zeros.length);
  });
  console.log('ready');`;

const anyTask = 301;

describe('the memory of a process, sent to another device', function () {
  this.timeout(180_000);
  let folder: ReturnType<typeof temporaryFolder>;
  let child: ChildProcess;
  let memory: ProcessMemory;

  before(() => {
    folder = temporaryFolder();
  });

  after(() => folder.remove());

  beforeEach(async () => {
    child = spawn(process.execPath, ['-e', program], { stdio: ['pipe', 'pipe', 'inherit'] });
    assert.ok(child.stdout);
    await once(child.stdout, 'data');
    memory = new ProcessMemory([{ pid: child.pid ?? 0, task: anyTask }]);
  });

  afterEach(async () => {
    await memory.close();
    child.kill('SIGKILL');
  });

  async function change(): Promise<void> {
    child.stdin?.write('x\n');
    assert.ok(child.stdout);
    await once(child.stdout, 'data');
  }

  async function pair(name: string): Promise<{ source: MemoryImage; target: MemoryImage }> {
    return {
      source: await MemoryImage.open(join(folder.path, `${name}-source`)),
      target: await MemoryImage.open(join(folder.path, `${name}-target`)),
    };
  }

  /** Sender and receiver joined; what a handoff stream does between two devices. */
  function link(
    source: MemoryImage,
    target: MemoryImage,
  ): { sender: MemorySender; receiver: MemoryReceiver } {
    const receiver = new MemoryReceiver(target);
    let applied = Promise.resolve();
    const sender: MemorySender = new MemorySender({
      image: source,
      codec: 'deflate',
      onProgress: () => undefined,
      signal: new AbortController().signal,
      send: (batch) => {
        applied = applied.then(async () => {
          try {
            const { number, mistaken } = await receiver.apply(batch);
            if (mistaken.length > 0) sender.want(mistaken, true);
            sender.acknowledge(number);
          } catch (error) {
            sender.fail(error as Error);
          }
        });
        return Promise.resolve();
      },
    });
    return { sender, receiver };
  }

  async function assertSame(target: MemoryImage, chunks: readonly Chunk[]): Promise<void> {
    const there = Buffer.alloc(chunkBytes);
    const here = Buffer.alloc(chunkBytes);
    let pages = 0;
    for (const chunk of chunks) {
      await target.read(target.numberOf(chunk.task, chunk.index), there);
      for (const [first, count] of runsOf(chunk)) {
        const start = first * pageBytes;
        const length = count * pageBytes;
        assert.ok(
          await memory.read(chunk.task, chunk.index * chunkBytes + start, here, start, length),
        );
        assert.equal(here.compare(there, start, start + length, start, start + length), 0);
        pages += count;
      }
    }
    assert.ok(pages * pageBytes > 28 << 20, 'all of it was compared');
  }

  async function freeze(): Promise<Chunk[]> {
    await stop(child.pid ?? 0);
    return chunksOf(await memory.writtenPages());
  }

  it('arrives as it is at the freeze; what did not change since a round is not sent again', async () => {
    const { source, target } = await pair('rounds');
    const { sender } = link(source, target);
    const first = await sender.round(memory, chunksOf(await memory.writtenPages()));
    assert.ok(first.bytes > 24 << 20, `${first.bytes} bytes in the first round`);
    assert.ok(first.bytes < 36 << 20, 'zero pages are not sent');
    await change();
    const chunks = await freeze();
    const last = await sender.final(memory, chunks);
    assert.ok(last.bytes < 2 << 20, `${last.bytes} bytes after the freeze`);
    await assertSame(target, chunks);
    await Promise.all([source.close(), target.close()]);
  });

  it('is sent as the difference to an earlier move, in either direction', async () => {
    const first = await pair('hops');
    const chunks = await freeze();
    const there = link(first.source, first.target);
    await there.sender.final(memory, chunks);
    const { acknowledged } = there.sender;
    await Promise.all([
      first.source.save('h-1', acknowledged),
      first.target.save('h-1', there.receiver.batches),
    ]);
    child.kill('SIGCONT');
    await change();
    const back = await pair('hops');
    assert.deepEqual([back.source.label, back.target.label], ['h-1', 'h-1']);
    assert.equal(back.source.applied, back.target.applied);
    // What arrived there is what would be sent from there: the roles change.
    const { sender } = link(back.target, back.source);
    const now = await freeze();
    const { bytes, pages } = await sender.final(memory, now);
    assert.ok(bytes < 2 << 20, `${bytes} bytes for ${pages} pages`);
    await assertSame(back.source, now);
    await Promise.all([back.source.close(), back.target.close()]);
  });

  it('brings what was asked for before the last pass began, also where nothing else is to go yet', async () => {
    const { source, target } = await pair('early');
    const { sender, receiver } = link(source, target);
    const chunks = await freeze();
    const [wanted] = chunks;
    assert.ok(wanted !== undefined);
    sender.want([wanted], false);
    const sending = sender.final(memory, chunks, { onlyWanted: true });
    const deadline = Date.now() + 20_000;
    while (receiver.batches === 0) {
      assert.ok(Date.now() < deadline, 'nothing came');
      await delay(5);
    }
    sender.sendAll();
    await sending;
    await assertSame(target, chunks);
    await Promise.all([source.close(), target.close()]);
  });

  it('is sent whole where that was asked for before the last pass began', async () => {
    const { source, target } = await pair('all');
    const { sender } = link(source, target);
    const chunks = await freeze();
    sender.sendAll();
    await sender.final(memory, chunks, { onlyWanted: true });
    await assertSame(target, chunks);
    await Promise.all([source.close(), target.close()]);
  });

  it('notices that the other side’s image is another than it was, and sends those parts whole', async () => {
    const first = await pair('damaged');
    const chunks = await freeze();
    const whole = link(first.source, first.target);
    await whole.sender.final(memory, chunks);
    await Promise.all([first.source.save('h-1', 1), first.target.save('h-1', 1)]);
    const file = await open(first.target.pagesPath, 'r+');
    const { size } = await file.stat();
    const random = seededRandom('image');
    for (let each = 0; each < 20; each += 1)
      await file.write(Buffer.from('damage'), 0, 6, Math.floor(random() * size));
    await file.close();
    const second = await pair('damaged');
    const { sender } = link(second.source, second.target);
    await sender.final(memory, chunks);
    await assertSame(second.target, chunks);
    await Promise.all([second.source.close(), second.target.close()]);
  });

  it('goes on without a task that has ended', async () => {
    const { source, target } = await pair('ended');
    const chunks = chunksOf(await memory.writtenPages());
    child.kill('SIGKILL');
    await once(child, 'exit');
    const { pages } = await link(source, target).sender.round(memory, chunks);
    assert.equal(pages, 0);
    await Promise.all([source.close(), target.close()]);
  });

  it('takes no more room for memory that the process had at other places', async () => {
    const page = Buffer.alloc(chunkBytes, 1);
    const path = join(folder.path, 'places');
    const filled = async (indexes: readonly number[]): Promise<readonly number[]> => {
      const image = await MemoryImage.open(path);
      for (const index of indexes) {
        const number = image.numberOf(anyTask, index);
        await image.write(number, 0, chunkPages, page.fill(index));
        Object.assign(image.known(number), { low: -1, high: -1 });
      }
      image.dropUnused();
      await image.save('h-1', 1);
      const again = await MemoryImage.open(path);
      const there = await Promise.all(
        indexes.map(async (index) => (await again.readPage(again.numberOf(anyTask, index), 5))[0]),
      );
      const knows = [1, 2, 3, 4, 5].filter((index) =>
        again.knows({ task: anyTask, index, low: 1, high: 0 }),
      );
      assert.deepEqual(knows, [...indexes].sort());
      await again.save('h-1', 1);
      return [again.size, ...there.map(Number)];
    };
    assert.deepEqual(await filled([1, 2]), [2, 1, 2]);
    // What the process had until now is let go of when the move has come to its end.
    assert.deepEqual(await filled([2, 3]), [3, 2, 3]);
    assert.deepEqual(await filled([3, 4]), [3, 3, 4]);
    assert.deepEqual(await filled([4, 5]), [3, 4, 5]);
    assert.deepEqual(await filled([5, 1]), [3, 5, 1]);
    assert.deepEqual(await filled([2, 3, 4, 5]), [5, 2, 3, 4, 5]);
  });

  it('does not trust an image that was open when its agent was killed', async () => {
    const image = await MemoryImage.open(join(folder.path, 'killed'));
    await image.save('h-1', 3);
    const again = await MemoryImage.open(join(folder.path, 'killed'));
    assert.equal(again.label, 'h-1');
    await again.close();
    const third = await MemoryImage.open(join(folder.path, 'killed'));
    assert.equal(third.label, null);
    await third.close();
  });

  it('refuses batches that are damaged, cut, repeated or out of order', async () => {
    const { source, target } = await pair('fuzz');
    const batches: Buffer[] = [];
    const receiver = new MemoryReceiver(target);
    const sender: MemorySender = new MemorySender({
      image: source,
      codec: 'deflate',
      onProgress: () => undefined,
      signal: new AbortController().signal,
      send: (batch) => {
        batches.push(batch);
        queueMicrotask(() => sender.acknowledge(batches.length));
        return Promise.resolve();
      },
    });
    await sender.final(memory, (await freeze()).slice(0, 12));
    const [first, second] = batches;
    assert.ok(first && second);
    const random = seededRandom('batches');
    for (let each = 0; each < 300; each += 1) {
      const fresh = new MemoryReceiver(target);
      const broken = Buffer.from(first);
      const at = Math.floor(random() * Math.min(broken.length, 400));
      broken.writeUInt8(broken.readUInt8(at) ^ (1 + Math.floor(random() * 255)), at);
      const cut =
        random() < 0.3 ? broken.subarray(0, Math.floor(random() * broken.length)) : broken;
      try {
        const { pages, mistaken } = await fresh.apply(cut);
        assert.ok(mistaken.length > 0 || pages.length > 0);
      } catch (error) {
        assert.ok(error instanceof FlickError && error.reason === 'transferFailed', String(error));
      }
    }
    await receiver.apply(first);
    await assert.rejects(receiver.apply(first), /wrong order/);
    await receiver.apply(second);
    await Promise.all([source.close(), target.close()]);
  });
});
