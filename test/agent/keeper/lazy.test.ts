import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { skip } from '../../support/skip.ts';
import type { AppEnd } from '../../../agent/keeper/keeperMessages.ts';
import {
  buildProgram,
  Departed,
  encodeIndex,
  pageBytes,
  writeLazyFiles,
  type Arrival,
  type Task,
} from './lazySupport.ts';
import { Bench, buildKeeper, cannotDump, isKeeper, plainEnv, Screen, until } from './support.ts';

const mebibytes = 32;
const areaPages = mebibytes << 8;

/** Every number below, in an order that a seed decides. */
function shuffled(total: number): number[] {
  const numbers = Array.from({ length: total }, (_, index) => index);
  let state = 12345;
  for (let at = total - 1; at > 0; at--) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    const other = state % (at + 1);
    const kept = numbers[at] ?? 0;
    numbers[at] = numbers[other] ?? 0;
    numbers[other] = kept;
  }
  return numbers;
}

describe('keeper: restore before the pages are there', function () {
  this.timeout(120_000);
  let bench: Bench;
  let program: string;
  let shared: Bench;
  let departed: Departed;

  before(async function () {
    const reason = cannotDump();
    if (reason !== undefined) skip(this, reason);
    buildKeeper();
    shared = new Bench();
    program = await buildProgram(await shared.folder());
    departed = await Departed.take(shared, [program, String(mebibytes)], mebibytes);
  });
  after(async () => {
    await departed?.dispose();
    await shared?.dispose();
  });
  beforeEach(() => {
    bench = new Bench();
  });
  afterEach(() => bench.dispose());

  const all = (): number[] => Array.from({ length: departed.total }, (_, index) => index);
  const say = (arrival: Arrival, line: string): Promise<void> =>
    arrival.client.input(Buffer.from(`${line}\n`));
  const good = (who: string, from = 0, to = areaPages): string =>
    `${who} ${from}-${to} good=${to - from} zero=0 bad=0`;

  /** The program runs, but nothing of its areas has arrived. */
  async function bare(): Promise<Arrival> {
    const arrival = await departed.arrive(bench, (client) =>
      departed.feed(client, departed.others()),
    );
    await arrival.goOn();
    await say(arrival, 'hello');
    await arrival.screen.shows('main here');
    return arrival;
  }

  it('installs what has arrived beforehand', async () => {
    const arrival = await departed.arrive(bench, (client) => departed.feed(client, all()));
    const before = await arrival.client.lazyState();
    assert.ok(before.installed < 100, 'before the verdict only what criu itself touches');
    await arrival.goOn();
    await arrival.done;
    const { total } = departed;
    assert.deepEqual(await arrival.client.lazyState(), {
      total,
      arrived: total,
      installed: total,
      finished: true,
      wanted: [],
    });
    await say(arrival, `check 0 ${areaPages}`);
    await arrival.screen.shows(good('main'));
    await say(arrival, `twin check 0 ${areaPages}`);
    await arrival.screen.shows(good('twin'));
  });

  it('keeps a program waiting for a page that has not arrived', async () => {
    const arrival = await bare();
    const { client, screen, wanted } = arrival;
    await say(arrival, 'check 0 40');
    for (const page of [0, 1, 2]) {
      const number = departed.numberOf(page);
      await until(() => wanted.includes(number), `page ${page} is wanted`);
      // The keeper has gone round since: what it had said would have come before the answer.
      const state = await client.lazyState();
      assert.deepEqual(state.wanted, [number]);
      assert.ok(!wanted.includes(departed.numberOf(page + 1)), 'not a page further');
      assert.doesNotMatch(screen.text, /main 0-40/);
      await departed.feed(client, [number]);
    }
    await departed.feed(
      client,
      Array.from({ length: 40 }, (_, page) => departed.numberOf(page)),
    );
    await screen.shows(good('main', 0, 40));
    const { arrived, finished } = await client.lazyState();
    assert.equal(finished, false);
    assert.equal(arrived, departed.others().length + 40);
    await until(
      async () => (await client.lazyState()).installed === arrived,
      'all that has arrived is installed',
    );
  });

  it('takes pages in any order while two processes run into them', async () => {
    const arrival = await bare();
    const { client, screen, wanted } = arrival;
    await say(arrival, `twin check 0 ${areaPages}`);
    await say(arrival, `check 0 ${areaPages}`);
    await until(() => wanted.length > 1, 'both wait');
    const order = shuffled(departed.total);
    let answered = 0;
    for (let at = 0; at < order.length; at += 97) {
      await departed.feed(client, order.slice(at, at + 97));
      await departed.feed(client, wanted.slice(answered, (answered = wanted.length)));
    }
    await screen.shows(good('main'));
    await screen.shows(good('twin'));
    await arrival.done;
    const ended = new Promise<AppEnd>((resolve) => client.onEnded(resolve));
    await say(arrival, 'quit');
    assert.deepEqual(await ended, { kind: 'code', code: 37 });
  });

  it('feeds Node.js with nothing but what it asks for, then with the rest', async () => {
    const source = `
      const crypto = require('crypto');
      const sum = (parts) => parts.reduce((hash, part) => hash.update(part), crypto.createHash('sha256')).digest('hex');
      const parts = Array.from({ length: 64 }, () => crypto.randomBytes(1 << 18));
      const objects = Array.from({ length: 50000 }, (_, n) => ({ n, text: 'n' + n }));
      const before = sum(parts);
      let n = 0;
      setInterval(() => { n += 1; }, 5);
      process.stdin.on('data', () => {
        const wrong = objects.filter((each, index) => each.n !== index || each.text !== 'n' + index).length;
        console.log('counted', n > 0, 'same', sum(parts) === before, 'wrong', wrong);
        globalThis.gc();
        console.log('collected');
      });
      console.log('ready');
    `;
    const node = await Departed.take(bench, [process.execPath, '--expose-gc', '-e', source]);
    const arrival = await node.arrive(bench, (client) => {
      client.onWanted((pages) => void node.feed(client, pages));
      return Promise.resolve();
    });
    await arrival.goOn();
    await say(arrival, 'go');
    await arrival.screen.shows('counted true same true wrong 0', 60_000);
    await arrival.screen.shows('collected', 60_000);
    const { arrived, total } = await arrival.client.lazyState();
    assert.ok(arrived < total, 'some pages were never asked for');
    await node.feed(
      arrival.client,
      Array.from({ length: node.total }, (_, index) => index),
    );
    await arrival.done;
    await say(arrival, 'go');
    await arrival.screen.shows(/collected[^]*same true wrong 0[^]*collected/);
    await node.dispose();
  });

  it('serves a child that is forked while pages are missing', async () => {
    const arrival = await bare();
    const { client, screen, wanted } = arrival;
    await say(arrival, 'fork');
    await until(() => wanted.includes(departed.numberOf(0)), 'the first page is wanted');
    await departed.feed(client, shuffled(departed.total).slice(0, 3000));
    assert.doesNotMatch(screen.text, /(child|parent) 0-/);
    await departed.feed(client, all());
    await screen.shows(good('child'));
    await screen.shows(good('parent'));
    await screen.shows('forked');
    await arrival.done;
  });

  it('follows memory that is unmapped, dropped and moved while pages are missing', async () => {
    const arrival = await bare();
    const { client, screen, wanted } = arrival;
    await say(arrival, 'unmap 10 20');
    await screen.shows('unmapped 0');
    await say(arrival, 'dontneed 30 40');
    await screen.shows('dropped 0');
    await say(arrival, 'check 30 40');
    await screen.shows('main 30-40 good=0 zero=10 bad=0');
    await say(arrival, 'move 50 70');
    await until(() => wanted.includes(departed.numberOf(50)), 'a moved page is wanted');
    assert.doesNotMatch(screen.text, /moved 50-70/);
    assert.equal(wanted.includes(departed.numberOf(30)), false);
    await departed.feed(client, all());
    await screen.shows(good('moved', 50, 70));
    await arrival.done;
    await say(arrival, 'check 0 10');
    await screen.shows(good('main', 0, 10));
    await say(arrival, 'check 28 42');
    await screen.shows('main 28-42 good=4 zero=10 bad=0');
    await say(arrival, `check 70 ${areaPages}`);
    await screen.shows(good('main', 70));
  });

  it('keeps its head when a program moves, drops and forks all at once', async () => {
    const arrival = await bare();
    const { client, screen, wanted } = arrival;
    await say(arrival, 'storm');
    await until(() => wanted.length > 1, 'several threads wait');
    const order = shuffled(departed.total);
    let answered = 0;
    for (let at = 0; at < order.length && !screen.text.includes('storm over'); at += 7) {
      const now = wanted.slice(answered, (answered = wanted.length));
      await departed.feed(client, [...now, ...order.slice(at, at + 7)]);
    }
    await screen.shows('storm over moved=0 dropped=0 forked=0');
    await departed.feed(client, all());
    await arrival.done;
    await say(arrival, `check ${areaPages - 2700} ${areaPages}`);
    await screen.shows(good('main', areaPages - 2700));
  });

  it('goes on when one process ends while its pages are missing', async () => {
    const arrival = await bare();
    const { client, screen } = arrival;
    await say(arrival, 'twin quit');
    const mine = all().filter((number) => number < departed.numberOf(0, true));
    await departed.feed(client, mine);
    await say(arrival, `check 0 ${areaPages}`);
    await screen.shows(good('main'));
    // The pages of the twin will never come, and nobody lacks them.
    await arrival.done;
  });

  it('ends with the cell while a process waits', async () => {
    const arrival = await bare();
    await say(arrival, 'check 0 1');
    await until(() => arrival.wanted.length > 0, 'it waits');
    await arrival.client.shutdown();
    await until(() => arrival.client.isClosed, 'the keeper has gone');
  });

  it('lets no process read zeros when the keeper itself is killed', async () => {
    const beat = join(await bench.folder(), 'beat');
    // A keeper that did not care for it would let one of three come past.
    for (let time = 0; time < 6; time++) {
      const arrival = await bare();
      const { wanted, keeperPid } = arrival;
      await say(arrival, `twin note 5 ${beat}`);
      await say(arrival, `note 5 ${beat}`);
      await until(() => wanted.length > 1, 'both wait');
      process.kill(keeperPid, 'SIGKILL');
      await until(() => !isKeeper(keeperPid), 'the keeper has gone');
      assert.equal(existsSync(beat), false, 'nobody came past the page');
    }
  });

  it('waits while the file of pages cannot be read', async () => {
    const arrival = await bare();
    const { client, screen, wanted } = arrival;
    await say(arrival, 'check 3 4');
    await until(() => wanted.length > 0, 'it waits');
    const file = join(departed.images, 'lazy.pages');
    const page = departed.numberOf(3);
    await truncate(file, page * pageBytes);
    await client.arrived([{ first: page, count: 1 }]);
    assert.deepEqual((await client.lazyState()).wanted, []);
    assert.doesNotMatch(screen.text, /main 3-4/);
    await truncate(file, departed.total * pageBytes);
    await departed.feed(client, [page]);
    await screen.shows(good('main', 3, 4));
  });

  it('goes on with a later connection', async () => {
    const arrival = await bare();
    await say(arrival, `check 0 ${areaPages}`);
    await until(() => arrival.wanted.length > 0, 'it waits');
    arrival.client.dispose();
    const client = await bench.connect(arrival.dir);
    const later: number[] = [];
    client.onWanted((pages) => later.push(...pages));
    const done = new Promise<void>((resolve) => client.onLazyDone(resolve));
    const state = await client.lazyState();
    assert.deepEqual(state.wanted, [departed.numberOf(0)]);
    assert.equal(state.arrived, departed.others().length);
    // What has arrived is in the file, too, for who does not know it any more.
    const bits = await readFile(join(departed.images, 'lazy.arrived'));
    const inFile = all().filter((number) => ((bits[number >> 3] ?? 0) >> (number & 7)) & 1);
    assert.deepEqual(inFile, departed.others());
    const screen = await Screen.of(client);
    await departed.feed(client, state.wanted);
    await until(() => later.includes(departed.numberOf(1)), 'the next page is wanted');
    await departed.feed(client, all());
    await screen.shows(good('main'));
    await done;
  });

  it('begins again after a restore that was aborted', async () => {
    const { client, job } = await departed.arrive(bench, (it) => departed.feed(it, all()));
    await client.verdict(job, false);
    await until(async () => (await client.state()).app === 'none', 'the cell is empty');
    await assert.rejects(client.lazyState(), { code: 'ESRCH' });
    await client.shutdown();
    const again = await departed.arrive(bench, (it) => departed.feed(it, all()));
    await again.goOn();
    await again.done;
  });

  it('does not dump a process that lacks pages', async () => {
    const { client } = await bare();
    const argv = ['true'];
    await assert.rejects(client.exec({ kind: 'dump', argv, env: plainEnv }), { code: 'EBUSY' });
  });

  it('aborts a restore of tasks that the index does not have', async () => {
    const other = [{ ...departed.main, pid: 4000 }];
    await assert.rejects(
      departed.arrive(bench, async (client) => {
        await writeFile(join(departed.images, 'lazy.index'), encodeIndex(other));
        await client.lazy(departed.images);
      }),
      /criu ended/,
    );
  });

  describe('files that are not as they should be', () => {
    const fine: Task = { pid: 301, extents: [{ vaddr: 0x10000, pages: 2, first: 0 }] };
    const of = (...extents: Task['extents']): Buffer => encodeIndex([{ pid: 301, extents }]);
    const extent = { vaddr: 0x10000, pages: 1, first: 0 };
    const cases: [string, Buffer][] = [
      ['nothing', Buffer.alloc(0)],
      ['another magic', Buffer.from('FLKLAZY2\0\0\0\0\0\0\0\0')],
      ['a cut off index', encodeIndex([fine]).subarray(0, -1)],
      ['more than the index says', Buffer.concat([encodeIndex([fine]), Buffer.alloc(8)])],
      ['more tasks than there are', Buffer.from('FLKLAZY1\xff\xff\0\0\0\0\0\0', 'latin1')],
      ['more entries than there are', corrupt(encodeIndex([fine]), 20, 0xffff_ffff)],
      ['a PID twice', encodeIndex([fine, { pid: 301, extents: [] }])],
      ['PID 0', encodeIndex([{ pid: 0, extents: [] }])],
      ['an address inside a page', of({ ...extent, vaddr: 0x10008 })],
      ['an address beyond all', of({ ...extent, vaddr: 2 ** 60 })],
      ['no pages', of({ ...extent, pages: 0 })],
      ['pages beyond the file', of({ ...extent, first: 7, pages: 2 })],
      ['more pages than can be', of({ ...extent, pages: 2 ** 52 })],
      ['a number that overflows', corrupt(of(extent), 44, 0xffff_ffff)],
      [
        'overlapping addresses',
        of({ ...extent, pages: 2 }, { vaddr: 0x11000, pages: 1, first: 4 }),
      ],
      ['descending addresses', of(extent, { vaddr: 0x1000, pages: 1, first: 4 })],
      ['one page at two addresses', of(extent, { vaddr: 0x20000, pages: 1, first: 0 })],
    ];
    for (const [what, index] of cases) {
      it(`refuses ${what}`, async () => {
        const folder = await bench.folder();
        await writeLazyFiles(folder, index, 8);
        const { client } = await bench.cell();
        await assert.rejects(client.lazy(folder), { code: 'EINVAL' });
        assert.equal((await client.state()).canLazy, true);
      });
    }

    it('refuses files of the wrong length, and ranges beyond them', async () => {
      const folder = await bench.folder();
      const { client } = await bench.cell();
      await assert.rejects(client.lazy(folder), { code: 'ENOENT' });
      await assert.rejects(client.arrived([{ first: 0, count: 1 }]), { code: 'ESRCH' });
      await writeLazyFiles(folder, encodeIndex([fine]), 9);
      await truncate(join(folder, 'lazy.arrived'), 1);
      await assert.rejects(client.lazy(folder), { code: 'EINVAL' });
      await writeLazyFiles(folder, encodeIndex([fine]), 9);
      await truncate(join(folder, 'lazy.pages'), 9 * 4096 - 1);
      await assert.rejects(client.lazy(folder), { code: 'EINVAL' });
      await writeLazyFiles(folder, encodeIndex([fine]), 9);
      await client.lazy(folder);
      const bad = [
        { first: 9, count: 1 },
        { first: 0, count: 10 },
        { first: 8, count: Number.MAX_SAFE_INTEGER },
      ];
      for (const range of bad) {
        await assert.rejects(client.arrived([{ first: 0, count: 1 }, range]), { code: 'EINVAL' });
      }
      const state = { total: 2, arrived: 0, installed: 0, finished: false, wanted: [] };
      assert.deepEqual(await client.lazyState(), state);
      await client.arrived([{ first: 0, count: 9 }]);
      assert.deepEqual(await client.lazyState(), { ...state, arrived: 2 });
    });
  });
});

function corrupt(index: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(index);
  copy.writeUInt32LE(value, at);
  return copy;
}
