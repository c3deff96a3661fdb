import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  captureProgram,
  inspectCapsule,
  restoreProgram,
} from '../../../../agent/engines/v8/index.ts';
import { FlickError } from '../../../../protocol/index.ts';
import { requireProvisioned } from '../../../support/provisioned.ts';
import { temporaryFolder } from '../../../support/temporary.ts';
import { MovedProgram } from './movedProgram.ts';

const counter = `
function make(start) { let n = start; const step = 1; return { next: () => (n += step), peek() { return n; } }; }
const { next, peek } = make(100);
let ticks = 0;
const timer = setInterval(tick, 60);
function tick() {
  ticks += 1;
  console.log(ticks, next(), peek());
  if (ticks === 120) { clearInterval(timer); process.exitCode = 7; }
}`;

const objects = `
const kTag = Symbol('tag');
class Animal {
  #name; static #count = 0; static all = new Map();
  constructor(name) { this.#name = name; Animal.#count += 1; Animal.all.set(name, this); this.call = () => this.#name + '!'; }
  #secret() { return 'psst ' + this.#name; }
  get name() { return this.#name; }
  tell() { return this.#secret(); }
  static get count() { return Animal.#count; }
}
class Dog extends Animal { #tricks = []; learn(t) { this.#tricks.push(t); return super.tell() + this.#tricks.length; } get [kTag]() { return 'tag ' + this.name; } }
const dog = new Dog('Rex');
const base = { hi() { return 'base'; } }; const derived = { __proto__: base, hi() { return super.hi() + '+'; } };
const ring = { dog, when: new Date(86400000), re: /a(b)/giu, big: 123n, minus: -0, get live() { return dog.name; } }; ring.self = ring;
const weak = new WeakMap([[dog, 'weak']]); const bytes = new Uint16Array(new ArrayBuffer(8), 2, 2); const same = new Uint8Array(bytes.buffer); bytes[0] = 513;
const proxy = new Proxy({ q: 1 }, { get: (t, k) => (k in t ? t[k] : 'no ' + String(k)) });
const frozen = Object.freeze([1, { a: 2 }]); const error = new RangeError('boom'); error.code = 'E1';
const bound = function (a, b) { return [this.name, a, b].join(); }.bind(dog, 'A'); const sparse = [1, , 3];
const constant = () => { 'use strict'; fixed = 2; }; const fixed = 1;
let n = 0;
const timer = setInterval(() => {
  n += 1;
  let refused; try { constant(); } catch (e) { refused = e.constructor.name; }
  console.log(JSON.stringify([n, dog.learn(n), dog.call(), Animal.count, dog[kTag], Animal.all.get('Rex') === dog, derived.hi(), ring.self === ring, ring.when.getTime(), ring.re.flags, String(ring.big), Object.is(ring.minus, -0), ring.live, weak.get(dog), [...same], proxy.q, proxy.zz, Object.isFrozen(frozen), error instanceof RangeError, error.stack.split('\\n')[0], error.code, bound('B'), 1 in sparse, refused, Animal.prototype.tell.toString(), Object.keys(ring).join()]));
  if (n === 80) clearInterval(timer);
}, 90);`;

const suspended = `
const sleep = (ms, v) => new Promise((r) => setTimeout(r, ms, v));
const kept = [];
async function inner(tag) { let sum = 0; for (let i = 0; i < 4; i++) { const v = await sleep(15, i); sum += v; kept.push(() => tag + i); } return sum; }
async function main() {
  let n = 0; const stats = { total: 0 };
  for (let round = 0; round < 40; round++) {
    for (const tag of ['x', 'y', 'z']) {
      stats.total += 1; const got = await inner(tag);
      try { if (tag === 'y') throw new Error('planned'); } catch (e) { await sleep(10); n += e.message.length; }
      n += got; console.log(n, tag, stats.total, kept.splice(0).map((f) => f()).join(' '), count.next(round).value, leaves.next().value, (await ticks.next()).value);
    }
  }
  return 'done ' + n;
}
function* counting() { let i = 0; while (true) { const more = yield i++; if (more) i += more; } }
const count = counting(); count.next();
function* walk(tree) { for (const each of tree) { if (typeof each === 'object') yield* walk(each); else yield each; } }
const branch = (depth) => (depth === 0 ? ['leaf'] : [branch(depth - 1), depth, branch(depth - 1)]);
const leaves = walk(branch(7));
async function* ticking() { let tick = 0; for await (const step of steps()) { try { yield (tick += step); } finally { await sleep(1); } } }
async function* steps() { while (true) yield* [1, 2, 3]; }
const ticks = ticking();
main().then((text) => console.log(text)).finally(() => console.log('finally'));`;

/** @returns what a program prints until its end, whichever its status */
function run(node: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(node, args, (_, stdout) => resolve(stdout));
  });
}

describe('the portable engine', function () {
  this.timeout(240_000);
  const folder = temporaryFolder();
  after(() => folder.remove());

  for (const [name, source, status] of [
    ['a counter', counter, 7],
    ['objects of all kinds', objects, 0],
    ['suspended functions', suspended, 0],
  ] as const) {
    it(`moves ${name} to a newer Node.js and back, and nobody notices`, async function () {
      const node24 = requireProvisioned(this, 'node24');
      const file = join(folder.path, 'reference.js');
      await writeFile(file, source);
      const reference = run(process.execPath, [file]);
      const program = await MovedProgram.start(folder.path, process.execPath, source);
      try {
        await program.untilLines(3);
        await program.move(node24);
        await program.untilLines(program.lines.length + 2);
        await program.moveAhead(process.execPath);
        assert.equal(await program.end(), status);
        assert.deepEqual(program.lines, (await reference).split('\n').slice(0, -1));
        const [first, second] = program.reports;
        assert.ok((second?.bytes ?? 0) < (first?.bytes ?? 0) * 1.5, 'the capsule grows with moves');
      } finally {
        program.kill();
      }
    });
  }

  it('lets the program read what it is given as ever while it goes through it, and moves what it became', async function () {
    const source = `
const all = Array.from({ length: 5_000 }, (_, n) => ({ n, read: () => n }));
let n = 0, read = 0, turns = 0;
(function turn() {
  turns += 1;
  all[turns % all.length] = { n: turns, read: () => turns };
  try { new Function('return %GetOptimizationStatus(turn)'); read += 1; } catch {}
  setImmediate(turn);
})();
setInterval(() => {
  const wrong = all.filter((each) => each.read() !== each.n && each.read() !== turns).length;
  console.log(++n, read, wrong);
}, 10);`;
    const program = await MovedProgram.start(folder.path, process.execPath, source);
    try {
      await program.untilLines(5);
      await program.moveAhead(process.execPath);
      await program.untilLines(program.lines.length + 5);
      assert.deepEqual(
        program.lines,
        program.lines.map((_, index) => `${index + 1} 0 0`),
      );
    } finally {
      program.kill();
    }
  });

  it('keeps immediates what they are: before timers, in their order, and to be cleared by what the program has of them', async function () {
    // The one that waits is cleared by the one before it. What a file's answer makes runs before a timer that is due.
    const source = `
const { stat } = require('fs');
let n = 0, wrong = 0, late;
const never = setImmediate(() => { wrong += 1; }).unref();
clearImmediate(never);
(function turn() {
  clearImmediate(late);
  setImmediate(turn);
  late = setImmediate(() => { wrong += 1; });
})();
(function ask() {
  stat('/', () => {
    let ran = false;
    setImmediate(() => { ran = true; });
    setTimeout(() => { if (!ran) wrong += 1; ask(); }, 1);
  });
})();
setInterval(() => console.log(++n, wrong, late.hasRef(), never.hasRef() === true), 10);`;
    const program = await MovedProgram.start(folder.path, process.execPath, source);
    try {
      for (let hop = 0; hop < 3; hop += 1) {
        await program.untilLines(program.lines.length + 3);
        await program.move(process.execPath);
      }
      await program.untilLines(program.lines.length + 3);
      assert.deepEqual(
        program.lines,
        program.lines.map((_, index) => `${index + 1} 0 true false`),
      );
    } finally {
      program.kill();
    }
  });

  it('moves timers that are known by a number, and those by no other', async function () {
    const source = `
let n = 0, wrong = 0, held;
const byNumber = {};
for (let each = 0; each < 30; each += 1) byNumber[setInterval(() => { wrong += 1; }, 1e6)] = each;
held = Number(setTimeout(() => { wrong += 1; }, 400));
let old = Number(setTimeout(() => {}, 0));
setInterval(() => {
  const fresh = [1, 2, 3].map(() => Number(setTimeout(() => {}, 0)));
  if (fresh.some((id) => id in byNumber || id === old)) wrong += 1;
  clearTimeout(old);
  if (n === 8) for (const id of Object.keys(byNumber)) clearInterval(id);
  clearTimeout(held);
  held = Number(setTimeout(() => { wrong += 1; }, 400));
  console.log(++n, wrong, n > 8 && process.getActiveResourcesInfo().length > 10);
  if (n === 12) process.exit();
}, 40);`;
    const program = await MovedProgram.start(folder.path, process.execPath, source);
    try {
      await program.untilLines(3);
      await program.move(process.execPath);
      assert.equal(await program.end(), 0);
      const expected = Array.from({ length: 12 }, (_, index) => `${index + 1} 0 false`);
      assert.deepEqual(program.lines, expected);
    } finally {
      program.kill();
    }
  });

  it('moves numbers of half the size between versions that have them', async function () {
    const node24 = requireProvisioned(this, 'node24');
    const source = `
const halves = new Float16Array([1.5, 1 / 3]); let n = 0;
setInterval(() => { halves[0] += 0.25; console.log(++n, halves.join(' ')); }, 50);`;
    const program = await MovedProgram.start(folder.path, node24, source);
    try {
      await program.untilLines(3);
      await program.move(node24);
      await program.untilLines(program.lines.length + 2);
      const expected = program.lines.map((_, n) => `${n + 1} ${1.75 + n / 4} 0.333251953125`);
      assert.deepEqual(program.lines, expected);
    } finally {
      program.kill();
    }
  });

  it('refuses with the place and lets the program go on unharmed', async function () {
    const source = `
let n = 0, release;
async function stuck(k) { const [a = await new Promise((resolve) => (release = resolve))] = [,k]; return a; }
stuck(1);
setInterval(() => console.log(++n, typeof release, Object.keys(globalThis).length, process.listenerCount('SIGUSR1')), 10);`;
    const program = await MovedProgram.start(folder.path, process.execPath, source);
    try {
      await program.untilLines(3);
      const before = program.lines[0]?.split(' ').slice(1);
      const capture = captureProgram({
        pid: program.pid,
        file: join(folder.path, 'refused.capsule'),
        patienceMs: 100,
      });
      await assert.rejects(capture, (error: unknown) => {
        assert.ok(error instanceof FlickError && error.reason === 'refused');
        assert.match(error.message, /'stuck' \(program\.js:3\)/);
        return true;
      });
      await program.untilLines(program.lines.length + 3);
      assert.deepEqual(program.lines.at(-1)?.split(' ').slice(1), before);
    } finally {
      program.kill();
    }
  });

  it('goes on with the program when it is asked not to end it', async function () {
    const program = await MovedProgram.start(folder.path, process.execPath, counter);
    const file = join(folder.path, 'kept.capsule');
    try {
      await program.untilLines(3);
      const report = await captureProgram({ pid: program.pid, file, end: false });
      assert.equal(inspectCapsule(file).counts.objects, report.objects);
      assert.equal(await program.end(), 7);
      assert.equal(program.lines.length, 120);
    } finally {
      program.kill();
    }
  });

  it('runs nothing of a capsule that is damaged', async function () {
    const program = await MovedProgram.start(folder.path, process.execPath, counter);
    const file = join(folder.path, 'damaged.capsule');
    try {
      await program.untilLines(3);
      await captureProgram({ pid: program.pid, file });
    } finally {
      program.kill();
    }
    const content = await readFile(file, 'utf8');
    await writeFile(file, content.replace('ticks += 1', 'ticks += 2'));
    const child = restoreProgram({
      file,
      node: process.execPath,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output: string[] = [];
    child.stdout?.on('data', (chunk: Buffer) => output.push(chunk.toString('utf8')));
    child.stderr?.on('data', (chunk: Buffer) => output.push(chunk.toString('utf8')));
    const status = await new Promise((resolve) => child.once('close', resolve));
    assert.equal(status, 70);
    assert.match(output.join(''), /^The program could not be rebuilt: .* is damaged/);
  });
});
