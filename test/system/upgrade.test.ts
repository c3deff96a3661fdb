import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { protocolVersion } from '../../protocol/index.ts';
import type { Listed, Ran } from '../support/flick.ts';
import { root } from '../support/provisioned.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { eventually, LabFixture } from './labFixture.ts';
import { assertRunsOn, assertSaid } from './steady.ts';
import { UnderWay } from './underWay.ts';

const beat = '/opt/beat.py';

/** A Flick that speaks another protocol: this build, with another number in it. */
class OtherFlick {
  readonly #home: string;
  readonly #file: string;

  constructor(folder: string, home: string, protocol: number) {
    this.#home = home;
    this.#file = join(folder, 'cli.cjs');
    for (const name of ['cli.cjs', 'agent.cjs']) {
      const text = readFileSync(join(root, 'dist', name), 'utf8');
      const pattern = new RegExp(`\\bprotocolVersion ?= ?${String(protocolVersion)}\\b`, 'g');
      assert.equal(text.match(pattern)?.length, 1, `the protocol's version in ${name}`);
      writeFileSync(
        join(folder, name),
        text.replace(pattern, `protocolVersion = ${String(protocol)}`),
      );
    }
  }

  run(args: readonly string[]): Promise<Ran> {
    return new UnderWay(this.#home, args, this.#file).ended;
  }

  async start(device: string, name: string): Promise<Listed> {
    const ran = await this.run([
      ...['run', '--detach', '--json', '--on', device, '--name', name, '--', 'python3', beat],
    ]);
    assertSaid(ran, 0);
    return JSON.parse(ran.stdout) as Listed;
  }
}

describe('builds that meet', function () {
  this.timeout(60_000);
  let fixture: LabFixture;
  const folders = [temporaryFolder(), temporaryFolder()] as const;

  before(async function () {
    this.timeout(90_000);
    fixture = await LabFixture.up(this, ['alpha', 'beta']);
    for (const device of ['alpha', 'beta']) await fixture.place(device, 'beat.py', beat);
  });
  after(async () => {
    await fixture?.down();
    for (const each of folders) each.remove();
  });

  function other(index: 0 | 1, protocol: number): OtherFlick {
    return new OtherFlick(folders[index].path, fixture.lab.flickHome, protocol);
  }

  async function agents(device: string): Promise<string> {
    return fixture.on(device, ['pgrep', '-u', 'root', '-f', 'agent.cjs daemon$']);
  }

  it('an older agent is replaced, and its process notices nothing', async () => {
    const older = other(0, protocolVersion - 1);
    const { id, pid } = await older.start('alpha', 'veteran');
    const before = await agents('alpha');
    const [listed] = await fixture.flick.json<Listed[]>(['ps', '--on', 'alpha']);
    assert.deepEqual([listed?.id, listed?.pid, listed?.state], [id, pid, 'running']);
    const now = await agents('alpha');
    assert.notEqual(now, before);
    assert.match(now, /^\d+\n$/, 'one agent only');
    await assertRunsOn(fixture, id, 'alpha');
    // And it can do what the newer one can.
    assert.equal((await fixture.move(id, 'beta')).process.device, 'beta');
    await assertRunsOn(fixture, id, 'beta');
    // The older Flick is told, and does no harm.
    const ran = await older.run(['ps', '--on', 'beta']);
    assertSaid(ran, 1, /This Flick is older than the agent on .*: it speaks protocol/, /Update/);
    await assertRunsOn(fixture, id, 'beta');
    await fixture.end(id);
  });

  it('a newer agent is left alone, and a sentence says what to do', async () => {
    const newer = other(1, protocolVersion + 1);
    const { id, pid } = await newer.start('alpha', 'modern');
    const before = await agents('alpha');
    for (const args of [
      ['ps', '--on', 'alpha'],
      ['run', '--detach', '--on', 'alpha', '--', 'sleep', '9'],
    ]) {
      assertSaid(
        await fixture.flick.run(args),
        1,
        /This Flick is older than the agent on .*: it speaks protocol 2 .*, this Flick 1/,
        /Update Flick here/,
      );
    }
    assert.equal(await agents('alpha'), before);
    const ran = await newer.run(['ps', '--on', 'alpha', '--json']);
    const [listed] = JSON.parse(ran.stdout) as Listed[];
    assert.deepEqual([listed?.id, listed?.pid, listed?.state], [id, pid, 'running']);
    assertSaid(await newer.run(['kill', id, '--signal', 'KILL']), 0);
    // To find it by its id, the newer Flick has looked on every device.
    for (const device of ['alpha', 'beta', 'local']) {
      assertSaid(await newer.run(['device', 'agent-remove', device, '--force']), 0);
    }
    // The agent of this machine shares its folder with the list of devices.
    assertSaid(await fixture.flick.run(['device', 'ls']), 0, /alpha/);
  });

  it('a removed agent leaves no process, file or mount behind', async () => {
    await fixture.flick.run(['device', 'agent-remove', 'beta', '--force']);
    const before = await quiet();
    const id = await fixture.start('alpha', 'moved', ['python3', beat]);
    await fixture.move(id, 'beta');
    await fixture.start('beta', 'at home', ['python3', beat]);
    const refused = await fixture.flick.run(['device', 'agent-remove', 'beta']);
    assertSaid(refused, 3, /2 processes run on this device: /, /moved/, /at home/);
    await assertRunsOn(fixture, id, 'beta');
    assertSaid(await fixture.flick.run(['device', 'agent-remove', 'beta', '--force']), 0);
    assert.equal(await quiet(), before);
  });

  /** The state once nothing ends any more. */
  async function quiet(): Promise<string> {
    return eventually(async () => {
      const before = await state();
      return /\bnode\b|flick-keeper/.test(before) ? undefined : before;
    }, 'the agent and what it started have ended');
  }

  /** Everything of root's on beta that Flick might leave. */
  async function state(): Promise<string> {
    // CRIU keeps what it knows of the kernel in /run until the next boot; that is the device's CRIU's own.
    const script = `ls -A /root /tmp /run /dev/shm | grep -v '^criu.kdat$'; cut -d' ' -f5- /proc/self/mountinfo; ps -u root -o args= | grep -v -e sshd -e ps -e cut -e ls -e grep`;
    return fixture.on('beta', ['sh', '-c', script]);
  }
});
