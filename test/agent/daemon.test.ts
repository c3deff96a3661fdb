import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { agentHello, type AgentHello } from '../../protocol/index.ts';
import { FlickCommand } from '../support/flick.ts';
import { root } from '../support/provisioned.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { eventually } from '../system/labFixture.ts';

describe('the daemon', function () {
  this.timeout(90_000);
  let folder: ReturnType<typeof temporaryFolder>;

  beforeEach(function () {
    FlickCommand.requireBuilt(this);
    folder = temporaryFolder();
  });

  afterEach(async () => {
    folder.remove();
  });

  function start(): AgentHello {
    const env = { ...process.env, FLICK_HOME: join(folder.path, 'home') };
    const argv = [join(root, 'dist/agent.cjs'), 'start'];
    const { status, stdout, stderr } = spawnSync(process.execPath, argv, { env, encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    return v.parse(agentHello, JSON.parse(stdout));
  }

  const ended = (pid: number): Promise<true> =>
    eventually(async () => (isAlive(pid) ? undefined : true), `${pid} ends`);

  it('is one for each home, however often it is started', () => {
    const first = start();
    assert.deepEqual(start(), first);
  });

  it('makes room when its folder was removed', async () => {
    const first = start();
    rmSync(join(folder.path, 'home'), { recursive: true });
    await ended(first.pid);
    const second = start();
    assert.notEqual(second.pid, first.pid);
    rmSync(second.socket);
    await ended(second.pid);
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
