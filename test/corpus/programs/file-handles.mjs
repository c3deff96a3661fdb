// Must survive: FileHandle objects, between reads and writes at their own position
import { open, readFile, mkdtemp, readdir, rm } from 'node:fs/promises';
const handle = await open('handle.txt', 'w+');
const second = await open('handle.txt', 'r');
const folder = await mkdtemp('made-');
for (let turn = 0; turn < 30; turn += 1) {
  await handle.write(`turn ${turn};`);
  await new Promise((done) => setTimeout(done, 20));
  const { bytesRead, buffer } = await second.read({ buffer: Buffer.alloc(16) });
  console.log(turn, bytesRead, buffer.toString('utf8', 0, bytesRead), (await handle.stat()).size);
}
await handle.truncate(40);
await handle.close();
await second.close();
await rm(folder, { recursive: true });
console.log('end', await readFile('handle.txt', 'utf8'), (await readdir('.')).join());
