import assert from 'node:assert/strict';
import type { Listed } from '../support/flick.ts';
import { sample } from '../support/seed.ts';
import { beats, broken, eventually, LabFixture } from './labFixture.ts';
import { assertSaid } from './steady.ts';
import { UnderWay } from './underWay.ts';
import { SampledTests } from '../support/sampledTests.ts';

const diary = '/opt/diary.py';
const counter = '/opt/counter.cjs';
const store = '/root/.flick/capsules';

interface Saved {
  readonly id: string;
  readonly name: string;
  readonly device: string;
  readonly parent: string | null;
  readonly sizeBytes: number;
  readonly pauseMs: number;
}

describe('capsules', function () {
  const tests = new SampledTests('capsules');
  this.timeout(180_000);
  let fixture: LabFixture;

  before(async function () {
    this.timeout(90_000);
    fixture = await LabFixture.up(this, ['alpha', 'beta']);
    for (const program of ['diary.py', 'counter.cjs', 'beat.py']) {
      await fixture.place('alpha', program, `/opt/${program}`);
    }
  });
  after(() => fixture?.down());

  const save = (id: string, ...more: readonly string[]): Promise<Saved> =>
    fixture.flick.json<Saved>(['capsule', 'save', id, ...more]);
  const restore = (capsule: string, ...more: readonly string[]): Promise<Listed> =>
    fixture.flick.json<Listed>(['capsule', 'restore', capsule, ...more]);
  const capsules = (): Promise<Saved[]> => fixture.flick.json<Saved[]>(['capsule', 'ls', 'alpha']);

  async function beatsPast(id: string, beat: number): Promise<void> {
    await eventually(
      async () => ((beats(await fixture.logs(id)).at(-1) ?? 0) > beat ? true : undefined),
      `${id} beats past ${String(beat)}`,
    );
    assert.equal(broken(beats(await fixture.logs(id))), undefined);
  }

  /** It goes on from where it is, without a beat too many or too few. */
  async function goesOn(id: string): Promise<number> {
    const beat = beats(await fixture.logs(id)).at(-1) ?? 0;
    await beatsPast(id, beat + 2);
    return beat;
  }

  /** Has the diary write an entry. @returns what it said then */
  async function write(id: string): Promise<string> {
    const before = [...(await fixture.logs(id)).matchAll(/entries .*/g)].length;
    await fixture.flick.json(['kill', id, '--signal', 'USR1']);
    return eventually(async () => {
      const said = [...(await fixture.logs(id)).matchAll(/entries .*/g)];
      return said.length > before ? said.at(-1)?.[0].trim() : undefined;
    }, 'the diary wrote');
  }

  async function ask(port: number): Promise<number> {
    const script = `import urllib.request as u; print(u.urlopen('http://127.0.0.1:${String(port)}').read().decode())`;
    const answer = await fixture.on('alpha', ['python3', '-c', script]);
    return (JSON.parse(answer) as { count: number }).count;
  }

  async function clear(): Promise<void> {
    const ids = (await capsules()).map((each) => each.id);
    if (ids.length > 0) await fixture.flick.json(['capsule', 'rm', ...ids]);
  }

  async function filesBelow(folder: string): Promise<string> {
    return (await fixture.on('alpha', ['find', folder, '-type', 'f'])).trim();
  }

  tests.add(
    'of a Node.js server: it goes on, and its state is back after it was killed',
    async () => {
      const id = await fixture.start('alpha', 'server', ['node', counter, '8131']);
      await beatsPast(id, 3);
      assert.equal(await ask(8131), 1);
      assert.equal(await ask(8131), 2);
      const saved = await save(id, '--name', 'second answer');
      assert.equal(saved.name, 'second answer');
      assert.equal(saved.device, 'alpha');
      assert.ok(saved.pauseMs > 0 && saved.sizeBytes > 1e6);
      const beat = await goesOn(id);
      assert.equal(await ask(8131), 3);
      assertSaid(
        await fixture.flick.run(['capsule', 'restore', 'second answer']),
        3,
        /listens on TCP port 8131, which is taken on this device by node/,
      );
      assert.deepEqual(
        (await fixture.list()).map((each) => each.id),
        [id],
      );
      await fixture.end(id);
      const again = await restore('second answer', '--device', 'alpha');
      assert.notEqual(again.id, id);
      assert.equal(again.name, 'server');
      assert.equal(await ask(8131), 3);
      await beatsPast(again.id, beat);
      const shown = await fixture.flick.run(['capsule', 'show', 'second answer']);
      assertSaid(shown, 0);
      assert.match(shown.stdout, /Ports +tcp 0\.0\.0\.0:8131/);
      await fixture.end(again.id);
      await clear();
    },
  );

  for (const user of ['root', 'dev'] as const) {
    tests.add(`of ${user} gives as many independent processes as one likes`, async () => {
      const device = user === 'root' ? 'alpha' : 'alpha-dev';
      const path = `/var/tmp/diary-${user}`;
      const id = await fixture.start(device, 'diary', ['python3', diary, path]);
      await beatsPast(id, 2);
      assert.equal(await write(id), 'entries 1 file 1;');
      const { id: capsule, name } = await save(id);
      assert.equal(name, 'diary');
      assert.equal(await write(id), 'entries 2 file 1;2;');
      const one = await restore(capsule);
      const other = await restore(capsule, '--name', 'other');
      assert.equal(new Set([id, one.id, other.id]).size, 3);
      assert.equal(new Set([one.pid, other.pid]).size, 2);
      // Each has the file as it was saved, and from then on its own.
      assert.equal(await write(one.id), 'entries 2 file 1;2;');
      assert.equal(await write(one.id), 'entries 3 file 1;2;3;');
      assert.equal(await write(other.id), 'entries 2 file 1;2;');
      assert.equal(await fixture.on('alpha', ['cat', path]), '1;2;');
      for (const each of [id, one.id, other.id]) await fixture.end(each);
      await fixture.flick.json(['capsule', 'rm', capsule]);
    });
  }

  tests.add(
    'of a process that came from a capsule knows its parent, and moves like anything else',
    async () => {
      const id = await fixture.start('alpha', 'diary', ['python3', diary, '/var/tmp/diary-line']);
      assert.equal(await write(id), 'entries 1 file 1;');
      const parent = await save(id);
      await fixture.end(id);
      const one = await restore(parent.id);
      assert.equal(await write(one.id), 'entries 2 file 1;2;');
      const child = await save(one.id);
      assert.equal(child.parent, parent.id);
      assert.equal(child.name, 'diary 2');
      await fixture.end(one.id);
      // The child alone has all that it needs.
      await fixture.flick.json(['capsule', 'rm', parent.id]);
      const two = await restore(child.id);
      assert.equal(await write(two.id), 'entries 3 file 1;2;3;');
      await fixture.move(two.id, 'beta');
      assert.equal(await write(two.id), 'entries 4 file 1;2;3;4;');
      await fixture.end(two.id);
      await clear();
    },
  );

  tests.add('that is damaged: says so, and leaves nothing behind', async () => {
    const id = await fixture.start('alpha', 'victim', ['python3', diary, '/var/tmp/victim']);
    await beatsPast(id, 2);
    const saved = await save(id);
    const keep = `cp -a ${store} /root/kept`;
    const spoil = `for f in ${store}/blocks/*/*; do printf x | dd of=$f bs=1 seek=9 conv=notrunc; done 2>/dev/null`;
    await fixture.on('alpha', ['sh', '-c', `${keep}; ${spoil}`]);
    const processes = await fixture.on('alpha', ['ls', '/root/.flick/processes']);
    const ran = await fixture.flick.run(['capsule', 'restore', saved.id]);
    assertSaid(ran, 1, /The block [0-9a-f]{64} is damaged/, /flick capsule rm/);
    assert.equal(await fixture.on('alpha', ['ls', '/root/.flick/processes']), processes);
    assert.equal((await fixture.pidsOf('alpha', `^python3 ${diary} /var/tmp/victim`)).length, 1);
    await goesOn(id);
    await fixture.on('alpha', ['sh', '-c', `rm -r ${store}; mv /root/kept ${store}`]);
    await fixture.end((await restore(saved.id)).id);

    // Flipped in the manifest, it is not even a capsule any more.
    const flip = `printf '~' | dd of=${store}/manifests/${saved.id} bs=1 seek=200 conv=notrunc 2>/dev/null`;
    await fixture.on('alpha', ['sh', '-c', flip]);
    assertSaid(
      await fixture.flick.run(['capsule', 'restore', saved.id]),
      1,
      new RegExp(`manifest of the capsule ${saved.id} is damaged`),
    );
    assert.equal(await fixture.on('alpha', ['ls', '/root/.flick/processes']), processes);
    await fixture.flick.json(['capsule', 'rm', saved.id]);
    assert.equal(await filesBelow(store), '');
    await goesOn(id);
    await fixture.end(id);
  });

  tests.add(
    'for which the disk has no room: the process goes on, nothing of it stays',
    async () => {
      const id = await fixture.start('alpha', 'large', ['python3', '/opt/beat.py', 'memory', '32']);
      await beatsPast(id, 2);
      await fixture.on('alpha', ['mount', '-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', store]);
      try {
        await fixture.on('alpha', [
          'mkdir',
          '-p',
          `${store}/incoming`,
          `${store}/manifests`,
          `${store}/blocks`,
        ]);
        assertSaid(
          await fixture.flick.run(['capsule', 'save', id]),
          1,
          /disk is full/,
          /Free some space/,
        );
        await goesOn(id);
        assert.deepEqual(await capsules(), []);
        assert.equal(await filesBelow(store), '');
      } finally {
        await fixture.on('alpha', ['umount', '-l', store]);
      }
      assert.deepEqual(await capsules(), []);
      assertSaid(await fixture.flick.run(['capsule', 'save', id]), 0, /paused for/);
      await fixture.end(id);
      await clear();
    },
  );

  tests.add(
    'whose saving is cancelled, or loses its agent: the process goes on, nothing of it stays',
    async () => {
      const id = await fixture.start('alpha', 'large', ['python3', '/opt/beat.py', 'memory', '64']);
      await beatsPast(id, 2);
      const cancelled = new UnderWay(fixture.lab.flickHome, ['capsule', 'save', id]);
      await cancelled.says('storing it');
      cancelled.signal('SIGINT');
      assertSaid(await cancelled.ended, 1, /Saving was cancelled/);
      await goesOn(id);
      assert.equal(await filesBelow(store), '');
      const moments = ['copying files', 'taking its memory', 'storing it'];
      for (const moment of sample('agent killed while saving', moments, 1)) {
        const killed = new UnderWay(fixture.lab.flickHome, ['capsule', 'save', id]);
        await killed.says(moment);
        await fixture.killAgent('alpha');
        assertSaid(await killed.ended, 1);
        await goesOn(id);
        assert.deepEqual(await capsules(), []);
        assert.equal(await filesBelow(store), '');
      }
      assert.equal((await save(id)).parent, null);
      await fixture.end(id);
      await clear();
    },
  );

  tests.add('of a process that ends meanwhile: says so, or has it as it was', async () => {
    const id = await fixture.start('alpha', 'brief', ['python3', '/opt/beat.py', 'memory', '8']);
    const saving = new UnderWay(fixture.lab.flickHome, ['capsule', 'save', id]);
    await saving.says('copying files');
    const kill = ['kill', id, '--signal', 'KILL'];
    const killed = await fixture.flick.run(kill);
    const ran = await saving.ended;
    // It stood still already, and then runs on.
    if (killed.code !== 0) {
      assertSaid(killed, 1, /“brief” is being moved or saved just now/);
      await fixture.flick.json(kill);
    }
    if (ran.code !== 0) {
      assertSaid(ran, 1, /“brief” (ended while it was being|does not run any more)/);
      assert.deepEqual(await capsules(), []);
      assert.equal(await filesBelow(store), '');
    }
    await clear();
    await fixture.flick.run(['forget', id]);
  });

  tests.add('that cannot be: the reason is said, and what to do', async () => {
    const id = await fixture.start('alpha', 'twice', ['python3', '/opt/beat.py']);
    await save(id, '--name', 'taken');
    assertSaid(
      await fixture.flick.run(['capsule', 'save', id, '--name', 'taken']),
      3,
      /There is a capsule “taken” on this device already/,
      /Choose another name/,
    );
    const none = await fixture.flick.run(['capsule', 'restore', 'nothing']);
    assertSaid(none, 1, /There is no capsule “nothing”/, /flick capsule ls/);
    assert.equal((await capsules()).length, 1);
    await goesOn(id);
    await fixture.end(id);
    assertSaid(await fixture.flick.run(['capsule', 'save', id]), 1, /no process/);
    await clear();
    assert.equal(await filesBelow(store), '');
  });

  tests.register(3);
});
