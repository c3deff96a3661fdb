import assert from 'node:assert/strict';
import { provisioned, requireProvisioned } from '../support/provisioned.ts';
import { beats, broken, eventually, LabFixture } from './labFixture.ts';

const sequence = 'n=0; while :; do n=$((n+1)); echo "beat $n" >> "$1"; sleep 0.1; done';
const detached = 'f=$1; s=$2; setsid sh -c "$s" sh "$f" </dev/null >/dev/null 2>&1 & echo $!';

describe('setting a device up', function () {
  this.timeout(120_000);
  let fixture: LabFixture;

  before(async function () {
    requireProvisioned(this, 'criu-bundle');
    fixture = await LabFixture.up(this, ['alpha', 'beta'], {
      FLICK_CRIU_BUNDLE: provisioned['criu-bundle'],
    });
  });

  after(async () => {
    await fixture?.down();
  });

  /** Starts what nobody launched through Flick: it writes a sequence into a file that its command line names. */
  async function daemon(user: 'root' | 'dev', file: string): Promise<number> {
    const argv = ['sh', '-c', detached, 'sh', file, sequence];
    return Number(await fixture.on('alpha', argv, { user }));
  }

  it('gives a device without CRIU one that works, and takes it away again', async () => {
    await fixture.on('beta', ['rm', '/usr/local/bin/criu']);
    const before = await fixture.flick.run(['doctor', 'beta-dev']);
    assert.match(before.stdout, /CRIU is not installed/);

    const id = await fixture.start('alpha-dev', 'sleeper', ['sleep', '1000']);
    const refused = await fixture.refuse(id, 'beta-dev');
    assert.equal(refused.code, 3, refused.stderr);

    const set = await fixture.flick.run(['device', 'setup', 'beta-dev', '--yes']);
    assert.equal(set.code, 0, set.stderr);
    assert.match(set.stderr + set.stdout, /bundle of CRIU/);
    await fixture.move(id, 'beta-dev');
    assert.equal((await fixture.find(id))?.device, 'beta-dev');
    await fixture.end(id);

    const undone = await fixture.flick.run(['device', 'setup', 'beta-dev', '--undo', '--yes']);
    assert.equal(undone.code, 0, undone.stderr);
    assert.match((await fixture.flick.run(['doctor', 'beta-dev'])).stdout, /CRIU is not installed/);
    await assert.rejects(fixture.on('beta', ['test', '-e', '/usr/local/lib/flick']));
  });

  it('lets an ordinary user adopt what runs already, in that user’s own name', async () => {
    const set = await fixture.flick.run(['device', 'setup', 'alpha-dev', '--yes']);
    assert.equal(set.code, 0, set.stderr);
    // beta-dev has no CRIU after the test before this one.
    const target = await fixture.flick.run(['device', 'setup', 'beta-dev', '--yes']);
    assert.equal(target.code, 0, target.stderr);
    assert.match((await fixture.flick.run(['doctor', 'alpha-dev'])).stdout, /adopting +possible/);

    const pid = await daemon('dev', '/home/dev/adopted.txt');
    const { id } = await fixture.flick.json<{ id: string }>([
      'adopt',
      '--on',
      'alpha-dev',
      String(pid),
      '--name',
      'daemon',
    ]);
    const moved = await fixture.move(id, 'beta-dev');
    const status = await fixture.on('beta', ['cat', `/proc/${moved.process.pid}/status`]);
    const devOfBeta = fixture.lab.device('beta').users.find(({ name }) => name === 'dev')?.uid;
    assert.match(status, new RegExp(`^Uid:\\s+${devOfBeta}\\s+${devOfBeta}`, 'm'));
    assert.deepEqual(await fixture.pidsOf('alpha', 'adopted.txt'), []);
    await fixture.move(id, 'alpha-dev');
    const lines = await eventually(async () => {
      const text = await fixture.on('alpha', ['cat', '/home/dev/adopted.txt']);
      return beats(text).length > 30 ? beats(text) : undefined;
    }, 'the sequence goes on at home');
    assert.equal(broken(lines), undefined);
    await fixture.end(id);
  });

  it('takes children along that have ended and that nobody has waited for', async () => {
    const source = 'import os,time\nif os.fork()==0: os._exit(7)\nwhile True: time.sleep(1)';
    const started = await fixture.on(
      'alpha',
      ['sh', '-c', 'setsid python3 -c "$1" </dev/null >/dev/null 2>&1 & echo $!', 'sh', source],
      { user: 'dev' },
    );
    const { id } = await fixture.flick.json<{ id: string }>([
      'adopt',
      '--on',
      'alpha-dev',
      started.trim(),
    ]);
    for (const device of ['beta-dev', 'alpha-dev']) {
      const moved = await fixture.move(id, device);
      const { pid } = moved.process;
      const children = await fixture.on(device.replace('-dev', ''), [
        'sh',
        '-c',
        'for child in $(cat /proc/$1/task/$1/children); do cut -d" " -f3 "/proc/$child/stat"; done',
        'sh',
        String(pid),
      ]);
      assert.equal(children.trim(), 'Z');
    }
    await fixture.end(id);
  });

  it('does not act on a process of another user through the helper', async () => {
    const pid = await daemon('root', '/root/strange.txt');
    const refused = await fixture.flick.run(['adopt', '--on', 'alpha-dev', String(pid)]);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /belongs to another user/);
    // The helper itself, asked directly as the agent would ask it.
    const forged = {
      op: 'dump',
      id: 'h-0000000000000000',
      pid,
      startTicks: 0,
      shellJob: false,
      keepConnections: false,
      terminalKeys: [],
    };
    const ticks = (await fixture.on('alpha', ['cat', `/proc/${pid}/stat`]))
      .split(') ')[1]
      ?.split(' ')[19];
    const payload = Buffer.from(JSON.stringify({ ...forged, startTicks: Number(ticks) }));
    const header = Buffer.alloc(5);
    header.writeUInt32BE(payload.length, 0);
    const answer = await fixture.on(
      'alpha',
      ['sudo', '-n', '/usr/local/lib/flick/node', '/usr/local/lib/flick/agent.cjs', 'helper'],
      { user: 'dev', input: Buffer.concat([header, payload]) },
    );
    assert.match(answer, /belongs to another user/);
    const before = beats(await fixture.on('alpha', ['cat', '/root/strange.txt']));
    await eventually(async () => {
      const now = beats(await fixture.on('alpha', ['cat', '/root/strange.txt']));
      return now.length > before.length && broken(now) === undefined ? now : undefined;
    }, 'the other user’s process runs on');
    await fixture.on('alpha', ['kill', String(pid)]);
  });
});
