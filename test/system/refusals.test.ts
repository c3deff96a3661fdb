import assert from 'node:assert/strict';
import { assertRunsOn, assertSaid } from './steady.ts';
import { SampledTests } from '../support/sampledTests.ts';
import { sample } from '../support/seed.ts';
import { beats, broken, eventually, LabFixture } from './labFixture.ts';
import { UnderWay } from './underWay.ts';

const beat = '/opt/beat.py';
const home = '/root/.flick';
const node24 = '/opt/flick-lab/clone/.cache/node/24/bin/node';

describe('a move that cannot be', function () {
  const tests = new SampledTests('refusals');
  this.timeout(60_000);
  let fixture: LabFixture;
  /** A process on alpha that all that is done to it must leave as it is. */
  let steady: string;

  before(async function () {
    this.timeout(90_000);
    fixture = await LabFixture.up(this, ['alpha', 'beta']);
    for (const program of ['beat.py', 'trace.py', 'accept.py']) {
      await fixture.place('alpha', program, `/opt/${program}`);
    }
    await fixture.place('beta', 'beat.py', beat);
    steady = await fixture.start('alpha', 'my steady process', ['python3', beat]);
  });
  after(() => fixture?.down());

  /** Runs something on a device that stays until the device ends. @returns its PID there */
  async function daemon(
    device: string,
    argv: readonly string[],
    options: { user?: 'root' | 'dev'; output?: string } = {},
  ): Promise<number> {
    const { user, output = '/dev/null' } = options;
    const script = 'out=$1; shift; setsid "$@" </dev/null >"$out" 2>&1 & echo $!';
    const shell = ['sh', '-c', script, 'sh', output, ...argv];
    return Number(await fixture.on(device, shell, user === undefined ? {} : { user }));
  }

  async function says(device: string, file: string, text: string): Promise<void> {
    await eventually(
      async () => ((await fixture.on(device, ['cat', file])).includes(text) ? true : undefined),
      `${file} says ${text}`,
    );
  }

  async function endAgent(device: string): Promise<void> {
    const [{ hello }] = await fixture.flick.json<[{ hello: { pid: number } }]>(['doctor', device]);
    await fixture.on(device, ['kill', '-9', String(hello.pid)]);
  }

  /** Gives beta's agent a small disk of its own. */
  async function coverHome(size: string): Promise<void> {
    await endAgent('beta');
    await fixture.on('beta', ['mount', '-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', home]);
  }

  async function uncoverHome(): Promise<void> {
    await endAgent('beta');
    await fixture.on('beta', ['umount', '-l', home]);
  }

  tests.add('CRIU is not there, or too old for the kernel', async () => {
    const criu = '/usr/local/bin/criu';
    await fixture.on('beta', ['mv', criu, `${criu}.kept`]);
    try {
      await fixture.flick.run(['doctor', 'beta']);
      assertSaid(
        await fixture.refuse(steady, 'beta'),
        3,
        /my steady process cannot move from alpha to beta/,
        /blocks .*CRIU/,
        /flick device setup/,
      );
      const old = '/opt/flick-lab/clone/.cache/criu-old/criu';
      const wrapper = `#!/bin/sh\nexec ${old} "$@"\n`;
      await fixture.on('beta', ['tee', criu], { input: wrapper });
      await fixture.on('beta', ['chmod', '755', criu]);
      await fixture.flick.run(['doctor', 'beta']);
      assertSaid(await fixture.refuse(steady, 'beta'), 3, /blocks .*CRIU 3\.17\.1 .*too old/);
    } finally {
      await fixture.on('beta', ['mv', `${criu}.kept`, criu]);
      await fixture.flick.run(['doctor', 'beta']);
    }
    await assertRunsOn(fixture, steady, 'alpha');
  });

  tests.add('CRIU went away since it was looked for', async () => {
    const criu = '/usr/local/bin/criu';
    await fixture.on('beta', ['mv', criu, `${criu}.kept`]);
    try {
      assertSaid(await fixture.refuse(steady, 'beta'), 3, /CRIU/, /flick device setup/);
    } finally {
      await fixture.on('beta', ['mv', `${criu}.kept`, criu]);
      await fixture.flick.run(['doctor', 'beta']);
    }
    await assertRunsOn(fixture, steady, 'alpha');
  });

  tests.add('its disk is full, as the check sees', async () => {
    await coverHome('24m');
    try {
      assertSaid(
        await fixture.refuse(steady, 'beta'),
        3,
        /blocks .*disk of this device has .* free at \/root\/\.flick; the process needs about/,
        /Free some space/,
      );
    } finally {
      await uncoverHome();
    }
    await assertRunsOn(fixture, steady, 'alpha');
  });

  tests.add('its disk fills up in the middle of the move', async () => {
    await coverHome('100m');
    await fixture.on('alpha', ['mkdir', '-p', '/root/big']);
    await fixture.on('alpha', ['sh', '-c', 'head -c 120M /dev/zero > /root/big/file']);
    const id = await fixture.start('alpha', 'big', ['python3', beat], ['--carry', '/root/big']);
    try {
      assertSaid(await fixture.refuse(id, 'beta'), 1, /disk|space/i);
      await assertRunsOn(fixture, id, 'alpha');
      assert.equal(await fixture.on('beta', ['ls', `${home}/processes`]), '');
    } finally {
      await uncoverHome();
      await fixture.end(id);
    }
  });

  tests.add('its port is taken there, and by whom', async () => {
    const holder = await daemon('beta', ['python3', beat, 'listen', '8123']);
    const id = await fixture.start('alpha', 'listener', ['python3', beat, 'listen', '8123']);
    assertSaid(
      await fixture.refuse(id, 'beta'),
      3,
      new RegExp(`blocks .*8123.*python3.*\\b${String(holder)}\\b`),
    );
    await assertRunsOn(fixture, id, 'alpha');
    await fixture.end(id);
    await fixture.on('beta', ['kill', String(holder)]);
  });

  tests.add('a file of it is of a kind that only its device has', async () => {
    await fixture.on('alpha', ['sh', '-c', 'echo here > /dev/notes']);
    const id = await fixture.start('alpha', 'reader', ['python3', beat, 'open', '/dev/notes']);
    assertSaid(await fixture.refuse(id, 'beta'), 3, /blocks .*\/dev\/notes/);
    await assertRunsOn(fixture, id, 'alpha');
    await fixture.end(id);
  });

  tests.add('a file of it differs on a disk of the target that nothing can be put on', async () => {
    for (const device of ['alpha', 'beta']) {
      const script = `mkdir -p /mnt/disk; mount -t ramfs ramfs /mnt/disk; echo ${device} > /mnt/disk/data`;
      await fixture.on(device, ['sh', '-c', script]);
    }
    const id = await fixture.start('alpha', 'reader', ['python3', beat, 'open', '/mnt/disk/data']);
    assertSaid(
      await fixture.refuse(id, 'beta'),
      3,
      /\/mnt\/disk\/data is not the same on this device, and cannot be brought: what is mounted at \/mnt\/disk takes no layer/,
    );
    await assertRunsOn(fixture, id, 'alpha');
    await fixture.end(id);
  });

  tests.add('it holds an io_uring: Node 24, adopted', async function () {
    await fixture.place('alpha', 'counter.cjs', '/opt/counter.cjs');
    const log = '/tmp/adopted.log';
    const pid = await daemon('alpha', [node24, '/opt/counter.cjs', '8124'], { output: log });
    await says('alpha', log, 'beat 3');
    const { id } = await fixture.flick.json<{ id: string }>([
      ...['adopt', '--on', 'alpha', String(pid)],
    ]);
    assertSaid(
      await fixture.refuse(id, 'beta'),
      3,
      /blocks .*io_uring/,
      /flick run/,
      /notes .*portable/,
    );
    const before = beats(await fixture.on('alpha', ['cat', log])).length;
    await says('alpha', log, `beat ${String(before + 3)}`);
    assert.equal(broken(beats(await fixture.on('alpha', ['cat', log]))), undefined);
    await fixture.on('alpha', ['kill', String(pid)]);
  });

  tests.add('a debugger holds it', async () => {
    const pid = (await fixture.find(steady))?.pid ?? 0;
    const log = '/tmp/trace.log';
    const tracer = await daemon('alpha', ['python3', '/opt/trace.py', String(pid)], {
      output: log,
    });
    await says('alpha', log, 'tracing');
    const ran = await fixture.refuse(steady, 'beta');
    await fixture.on('alpha', ['kill', String(tracer)]);
    assertSaid(
      ran,
      3,
      new RegExp(`blocks .*debugger or tracer: .*python3 \\(${String(tracer)}\\)`),
    );
    await assertRunsOn(fixture, steady, 'alpha');
  });

  tests.add('a unix socket leads out of it', async () => {
    const log = '/tmp/accept.log';
    const peer = await daemon('alpha', ['python3', '/opt/accept.py', '/tmp/outside.sock'], {
      output: log,
    });
    await says('alpha', log, 'listening');
    const command = ['python3', beat, 'connect', '/tmp/outside.sock'];
    const id = await fixture.start('alpha', 'talker', command);
    assertSaid(
      await fixture.refuse(id, 'beta'),
      3,
      new RegExp(`blocks .*connected to python3 \\(${String(peer)}\\) by a unix socket`),
    );
    await assertRunsOn(fixture, id, 'alpha');
    await fixture.end(id);
    await fixture.on('alpha', ['kill', String(peer)]);
  });

  tests.add('there is no such process', async () => {
    assertSaid(
      await fixture.flick.run(['adopt', '--on', 'alpha', '4000000']),
      1,
      /There is no process 4000000 on the device/,
    );
    assertSaid(await fixture.refuse('nobody', 'beta'), 1, /There is no process “nobody”/);
  });

  tests.add('it belongs to another user, who notices nothing', async () => {
    for (const [owner, asker] of [
      ['dev', 'alpha'],
      ['root', 'alpha-dev'],
    ] as const) {
      const log = `/tmp/of-${owner}.log`;
      const pid = await daemon('alpha', ['python3', beat], { user: owner, output: log });
      await says('alpha', log, 'beat 2');
      const watching = fixture.on('alpha', [
        ...['sh', '-c', 'for i in $(seq 150); do cut -d" " -f3 /proc/$1/stat; sleep 0.02; done'],
        ...['sh', String(pid)],
      ]);
      assertSaid(
        await fixture.flick.run(['adopt', '--on', asker, String(pid)]),
        1,
        new RegExp(`\\(${String(pid)}\\) belongs to another user .*does not touch it`),
        /Log in to the device as that user/,
      );
      const states = new Set((await watching).trim().split('\n'));
      assert.ok(
        [...states].every((state) => ['S', 'R'].includes(state)),
        [...states].join(),
      );
      assert.equal(broken(beats(await fixture.on('alpha', ['cat', log]))), undefined);
      await fixture.on('alpha', ['kill', String(pid)]);
    }
  });

  tests.add('has a name that would not fit on a line; spaces do', async () => {
    assertSaid(
      await fixture.flick.run([
        ...['run', '--detach', '--on', 'alpha', '--name', 'two\nlines', '--', 'sleep', '9'],
      ]),
      1,
      /A name must not contain line breaks or control characters/,
    );
    assert.equal((await fixture.list()).filter((each) => each.name.includes('two')).length, 0);
    const logs = await fixture.flick.run(['logs', 'my steady process']);
    assertSaid(logs, 0, /beat 1\b/);
    assertSaid(await fixture.flick.run(['check', 'my steady process', 'beta']), 0);
  });

  tests.add('was cancelled in the middle', async () => {
    const id = await fixture.start('alpha', 'cancelled', ['python3', beat, 'memory', '8']);
    await fixture.lab.rate('beta', '8mbit');
    try {
      for (const step of sample('cancelled', ['check', 'copy', 'send'] as const, 2)) {
        const move = new UnderWay(fixture.lab.flickHome, ['move', id, 'beta']);
        await move.reaches(step);
        move.signal('SIGINT');
        const ran = await move.ended;
        assertSaid(ran, 1, /cancelled/i);
        await assertRunsOn(fixture, id, 'alpha');
      }
    } finally {
      await fixture.lab.rate('beta', 'off');
    }
    await fixture.end(id);
  });

  tests.add('is moved already: one of two moves at once wins', async () => {
    const id = await fixture.start('alpha', 'twice', ['python3', beat]);
    const both = await Promise.all([
      fixture.flick.run(['move', id, 'beta']),
      fixture.flick.run(['move', id, 'beta']),
    ]);
    const lost = both.filter((each) => each.code !== 0);
    assert.equal(lost.length, 1, JSON.stringify(both));
    for (const each of lost) assertSaid(each, 1, /already|being moved|on its way/i);
    await assertRunsOn(fixture, id, 'beta');
    assert.equal((await fixture.pidsOf('alpha', `python3 ${beat}$`)).length, 1);
    await fixture.end(id);
  });

  tests.add('ended while it was moved', async function () {
    this.timeout(120_000);
    await fixture.lab.rate('beta', '40mbit');
    try {
      for (const step of sample('ends', ['copy', 'freeze', 'send'] as const, 1)) {
        const id = await fixture.start('alpha', `ends-${step}`, ['python3', beat, 'memory', '8']);
        const pid = (await fixture.find(id))?.pid ?? 0;
        const move = new UnderWay(fixture.lab.flickHome, ['move', id, 'beta']);
        await move.reaches(step);
        await fixture.on('alpha', ['kill', '-9', String(pid)]);
        const ran = await move.ended;
        const places = (await fixture.list()).filter((each) => each.id === id);
        const running = places.filter((each) => each.state === 'running');
        // Killed while its images were complete, it may have gone on over there; never in two places.
        if (ran.code === 0) {
          assert.deepEqual(
            running.map((each) => each.device),
            ['beta'],
          );
        } else {
          assertSaid(ran, 1, /ended/);
          assert.deepEqual(running, []);
          assert.deepEqual(
            places.map((each) => [each.device, each.state]),
            [['alpha', 'exited']],
          );
        }
        await fixture.end(id);
      }
    } finally {
      await fixture.lab.rate('beta', 'off');
    }
  });

  tests.add('the target cannot be reached', async () => {
    await fixture.lab.kill('beta');
    const ran = await fixture.refuse(steady, 'beta');
    assertSaid(ran, 1, /could not be reached/);
    await assertRunsOn(fixture, steady, 'alpha');
    await fixture.lab.boot('beta');
    const moved = await fixture.flick.run(['move', 'my steady process', 'beta']);
    assertSaid(moved, 0, /my steady process moved from alpha to beta/);
    await assertRunsOn(fixture, steady, 'beta');
  });

  tests.register(9);
});
