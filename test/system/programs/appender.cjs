// Appends every number to three files in a folder: through a stream, a file handle and a plain descriptor, and reads on
// in one of them as it grows. With `deleted` one of them is there no more.
const fs = require('node:fs');
const [, , folder, mode] = process.argv;
fs.mkdirSync(folder, { recursive: true });
const stream = fs.createWriteStream(`${folder}/stream.log`, { flags: 'a' });
const descriptor = fs.openSync(`${folder}/descriptor.log`, 'w');
const reader = fs.openSync(`${folder}/descriptor.log`, 'r');
if (mode === 'deleted') fs.unlinkSync(`${folder}/descriptor.log`);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
async function beat() {
  const handle = await fs.promises.open(`${folder}/handle.log`, 'w+');
  const buffer = Buffer.alloc(100);
  for (let number = 1; ; number += 1) {
    const line = `line ${number}\n`;
    await new Promise((done) => stream.write(line, done));
    await handle.write(line);
    fs.writeSync(descriptor, line);
    const read = buffer.toString('utf8', 0, fs.readSync(reader, buffer));
    console.log(`beat ${number}${read === line ? '' : ` but ${JSON.stringify(read)}`}`);
    await sleep(100);
  }
}
void beat();
