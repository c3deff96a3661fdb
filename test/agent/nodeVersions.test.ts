import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { connect } from 'node:net';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { greet } from '../../common/preamble.ts';
import { silentLogger } from '../../common/logger.ts';
import { RpcPeer } from '../../common/rpc.ts';
import { agentHello, launchProcess, shutdownAgent, waitProcess } from '../../protocol/index.ts';
import * as v from 'valibot';
import { FlickCommand } from '../support/flick.ts';
import { requireProvisioned, root } from '../support/provisioned.ts';
import { skip } from '../support/skip.ts';
import { temporaryFolder } from '../support/temporary.ts';

describe('the one-file agent', function () {
  this.timeout(90_000);

  for (const version of ['20', '22', '24', '26'] as const) {
    it(`serves and runs a process on Node ${version}, with nothing beside it`, async function () {
      FlickCommand.requireBuilt(this);
      const node = nodeOf(this, version);
      const folder = temporaryFolder();
      try {
        const agent = join(folder.path, 'agent.cjs');
        copyFileSync(join(root, 'dist/agent.cjs'), agent);
        const env = { ...process.env, FLICK_HOME: join(folder.path, 'home') };
        const started = spawnSync(node, [agent, 'start'], { env, encoding: 'utf8' });
        assert.equal(started.status, 0, started.stderr);
        const hello = v.parse(agentHello, JSON.parse(started.stdout));
        const socket = connect(hello.socket);
        await greet(socket);
        const peer = new RpcPeer(socket, silentLogger);
        const launched = await peer.request(launchProcess, {
          command: ['sh', '-c', 'exit 37'],
          cwd: folder.path,
        });
        const exit = await peer.request(waitProcess, { id: launched.process.id });
        assert.deepEqual(exit, { exitCode: 37, signal: null });
        const closed = new Promise<void>((resolve) => peer.onDidClose(resolve));
        await peer.request(shutdownAgent, {});
        await closed;
      } finally {
        folder.remove();
      }
    });
  }
});

function nodeOf(context: Mocha.Context, version: '20' | '22' | '24' | '26'): string {
  if (version !== '20') return requireProvisioned(context, `node${version}`);
  return process.versions.node.startsWith('20.')
    ? process.execPath
    : skip(context, 'the tests do not run on Node 20 here');
}
