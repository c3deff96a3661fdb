import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { readLazyFiles, writeLazyFiles } from '../../../../agent/engines/criu/lazyFiles.ts';
import { chunkBytes, chunksOf, pageBytes } from '../../../../agent/memory/chunks.ts';
import { MemoryImage } from '../../../../agent/memory/memoryImage.ts';
import { temporaryFolder } from '../../../support/temporary.ts';

describe('the files that a keeper brings memory from', () => {
  const folder = temporaryFolder();
  const images = join(folder.path, 'images');
  const memory = join(folder.path, 'memory');
  before(() => mkdirSync(images));
  after(() => folder.remove());

  const first = { task: 301, address: 7 * chunkBytes + 62 * pageBytes, pages: 4 };
  const second = { task: 302, address: 3 * chunkBytes, pages: 1 };
  const wiped = [{ task: 301, start: 8 * chunkBytes, end: 8 * chunkBytes + pageBytes }];

  it('say what is still missing to an agent that comes later', async () => {
    const image = await MemoryImage.open(memory);
    // A chunk of an earlier move, which the process does not have any more.
    image.numberOf(301, 99);
    const number = image.numberOf(301, 7);
    await image.write(number, 62, 1, Buffer.alloc(chunkBytes, 7));
    const leftOut = { tasks: [301, 302], pages: [first, second], wiped };
    await writeLazyFiles(images, leftOut, image, [[number * 64 + 62, 1]]);
    await image.close();

    const files = await readLazyFiles(images);
    const missing = [
      { ...first, address: first.address + pageBytes, pages: 1 },
      { ...first, address: 8 * chunkBytes, pages: 2 },
      second,
    ];
    assert.deepEqual(files.missing, chunksOf(missing));

    const again = await MemoryImage.reopen(memory, 'h-1', files.pagesPath, files.chunks);
    assert.equal(again.label, null);
    assert.equal(again.numberOf(301, 7), number);
    assert.ok(again.knows({ task: 301, index: 7, low: 0, high: 1 << 30 }));
    assert.ok(!again.knows({ task: 301, index: 7, low: 0, high: (1 << 31) >>> 0 }));
    assert.ok(!again.knows({ task: 302, index: 3, low: 1, high: 0 }));
    await again.write(number, 63, 1, Buffer.alloc(chunkBytes, 8));
    const last = (number * 64 + 63) * pageBytes;
    assert.equal(readFileSync(files.pagesPath)[last], 8);
    await again.save('h-1', 3);
    assert.equal((await MemoryImage.reopen(memory, 'h-1', files.pagesPath, [])).applied, 3);
  });

  it('keep their pages when somebody begins a new image', async () => {
    const before = statSync(join(images, 'lazy.pages')).size;
    const image = await MemoryImage.open(memory);
    await image.clear();
    await image.close();
    assert.equal(statSync(join(images, 'lazy.pages')).size, before);
  });

  it('are refused when they are cut short', async () => {
    truncateSync(join(images, 'lazy.index'), 40);
    await assert.rejects(readLazyFiles(images), /damaged/);
  });
});
