'use strict';
// A program with a live heap that goes on changing, and a heartbeat on the wall clock.
//
//   node workload.cjs PORT RESIDENT_MB PERCENT_PER_SECOND
//
// It fills its heap until it is about RESIDENT_MB resident: an eighth of it (at most 64 MB) plain
// objects, the rest buffers of records as a program's data are, which zstd -1 makes four times
// smaller. A change rewrites a whole page of 4 KiB with data that was not there before, or the
// objects of one page; PERCENT_PER_SECOND is the share of the heap's pages rewritten each second.
//
// Every 5 ms it notes Date.now(): the wall clock, because a restored process's monotonic clock does
// not see the pause. It answers on 127.0.0.1:PORT, one command a connection, one line of JSON:
//   report SINCE   the beats since then (ms since the epoch), the last one before it included
//   rate PERCENT   goes on changing at this rate
//   change PERCENT rewrites this share of the pages at once
//   verify         reads the whole heap and counts the pages and objects that are not as written
const net = require('node:net');

const [port, residentMb, percentPerSecond] = process.argv.slice(2).map(Number);
const megabyte = 1024 * 1024;
const beatMs = 5;
const pageWords = 1024;
const recordWords = 16;
const chunkPages = 255;
// glibc maps a block this large on its own, its data 16 bytes into the first page (malloc(3),
// M_MMAP_THRESHOLD): from here on our pages and the kernel's are the same.
const chunkOffset = 4096 - 16;
const objectsPerPage = 73;

// Never touched before they are used, so that they do not count as resident.
const beats = new Float64Array(1 << 19);
let beatCount = 0;

/** xorshift32, Marsaglia 2003. */
function scramble(state) {
  state ^= state << 13;
  state ^= state >>> 17;
  return state ^ (state << 5);
}

const templates = Array.from({ length: 64 }, (_, index) => {
  const text = `{"order":${index},"customer":"customer-${(index * 37) % 64}","state":"open"}`;
  const bytes = Buffer.alloc(48, ' ');
  bytes.write(text);
  return new Uint32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + 48));
});

let lastSeed = process.pid;
function nextSeed() {
  lastSeed = (lastSeed + 0x9e3779b1) | 0;
  return lastSeed === 0 ? nextSeed() : lastSeed;
}

/** Writes a page of records that follow from the seed, or compares. @returns whether it is as written */
function page(words, start, seed, compare) {
  let state = seed;
  for (let at = start; at < start + pageWords; at += recordWords) {
    state = scramble(state);
    const one = state;
    state = scramble(state);
    const template = templates[(state >>> 8) & 63];
    if (compare) {
      for (let index = 0; index < 12; index += 1) {
        if (words[at + index] !== template[index]) return false;
      }
      if (words[at + 14] !== one >>> 0 || words[at + 15] !== state >>> 0) return false;
    } else {
      for (let index = 0; index < 12; index += 1) words[at + index] = template[index];
      words[at + 12] = (at - start) / recordWords;
      words[at + 13] = seed;
      words[at + 14] = one;
      words[at + 15] = state;
    }
  }
  return true;
}

const chunks = [];
const objects = [];

function addChunk() {
  const memory = new ArrayBuffer(megabyte);
  const words = new Uint32Array(memory, chunkOffset, chunkPages * pageWords);
  for (let index = 0; index < chunkPages; index += 1) {
    page(words, index * pageWords, nextSeed(), false);
  }
  chunks.push(words);
}

function addObjects(pages) {
  for (let index = 0; index < pages; index += 1) {
    const run = [];
    for (let each = 0; each < objectsPerPage; each += 1) {
      run.push({ id: each, value: index, inverse: ~index, next: run[each - 1] });
    }
    objects.push(run);
  }
}

function fill() {
  const wanted = Math.max(megabyte, residentMb * megabyte - process.memoryUsage.rss());
  addObjects(Math.floor(Math.min(wanted / 8, 64 * megabyte) / 4096));
  addChunk();
  while (process.memoryUsage.rss() + megabyte < residentMb * megabyte) addChunk();
}

function heapPages() {
  return chunks.length * chunkPages + objects.length;
}

let cursor = 1;
/** Rewrites pages all over the heap. */
function change(count) {
  const inChunks = chunks.length * chunkPages;
  for (let index = 0; index < count; index += 1) {
    cursor = scramble(cursor);
    const at = (cursor >>> 0) % heapPages();
    if (at < inChunks) {
      const start = (at % chunkPages) * pageWords;
      page(chunks[Math.floor(at / chunkPages)], start, nextSeed(), false);
    } else {
      const value = cursor & 0x3fffffff;
      for (const each of objects[at - inChunks]) {
        each.value = value;
        each.inverse = ~value;
      }
    }
  }
}

function verify() {
  let broken = 0;
  for (const words of chunks) {
    for (let index = 0; index < chunkPages; index += 1) {
      const start = index * pageWords;
      if (!page(words, start, words[start + 13] | 0, true)) broken += 1;
    }
  }
  for (const run of objects) {
    if (run.some((each) => each.inverse !== ~each.value)) broken += 1;
  }
  return { pages: heapPages(), broken };
}

let rate = percentPerSecond;
function report(since) {
  let first = Math.max(0, beatCount - beats.length);
  while (first + 1 < beatCount && beats[(first + 1) % beats.length] < since) first += 1;
  const found = [];
  for (let index = first; index < beatCount; index += 1) found.push(beats[index % beats.length]);
  const start = found[0] ?? 0;
  const { rss } = process.memoryUsage();
  return {
    pid: process.pid,
    rss,
    pages: heapPages(),
    rate,
    start,
    beats: found.map((b) => b - start),
  };
}

function answer([command, argument]) {
  switch (command) {
    case 'report':
      return report(Number(argument));
    case 'rate':
      rate = Number(argument);
      return { rate };
    case 'change': {
      const pages = Math.round((heapPages() * Number(argument)) / 100);
      change(pages);
      return { pages };
    }
    case 'verify':
      return verify();
    default:
      return { error: `unknown command ${command}` };
  }
}

fill();

const server = net.createServer((socket) => {
  socket.on('error', () => undefined);
  socket.setEncoding('utf8').once('data', (text) => {
    socket.end(`${JSON.stringify(answer(text.trim().split(' ')))}\n`);
  });
});
server.listen(port, '127.0.0.1');

let due = 0;
let last = Date.now();
setInterval(() => {
  const now = Date.now();
  beats[beatCount % beats.length] = now;
  beatCount += 1;
  // What a pause left undone is not made up for.
  due += (heapPages() * rate * Math.min(now - last, 100)) / 100_000;
  last = now;
  const whole = Math.floor(due);
  due -= whole;
  change(whole);
}, beatMs);
