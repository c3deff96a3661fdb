import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { AgentFile } from '../../../client/agentFile.ts';
import { LocalTransport } from '../../../client/transports/local.ts';
import { protocolVersion } from '../../../protocol/index.ts';
import { root } from '../../support/provisioned.ts';
import { temporaryFolder } from '../../support/temporary.ts';
import { failsWith } from './ssh/sshFixture.ts';

describe('this machine', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let transport: LocalTransport;

  beforeEach(() => {
    folder = temporaryFolder();
    transport = new LocalTransport(folder.path);
  });
  afterEach(() => {
    transport.dispose();
    folder.remove();
  });

  const agentFile = (source: string): AgentFile => {
    const path = join(folder.path, 'agent.cjs');
    writeFileSync(path, source);
    return new AgentFile(path);
  };

  it('starts the agent and reaches its socket', async () => {
    await assert.rejects(transport.connect(), failsWith('closed', /not started yet/));
    const source = readFileSync(join(root, 'test/client/transports/standInAgent.cjs'), 'utf8');
    const file = agentFile(source.replace("'PROTOCOL'", `'${protocolVersion}'`));
    const hello = await transport.ensureAgent(file);
    assert.equal(hello.socket, join(folder.path, 'agent.sock'));
    const stream = await transport.connect();
    stream.write('echo');
    assert.equal(String((await stream.iterator({ destroyOnReturn: true }).next()).value), 'echo');
    process.kill(Number(readFileSync(join(folder.path, 'daemon.pid'), 'utf8')));
    while (
      await transport.connect().then(
        (again) => again.destroy(),
        () => undefined,
      )
    );
    await assert.rejects(transport.connect(), failsWith('closed', /does not answer/));
  });

  it('says why the agent did not start', async () => {
    const broken = agentFile('console.log("{}"); console.error("the reason"); process.exit(1);');
    await assert.rejects(transport.ensureAgent(broken), failsWith('agentStart', /the reason/));
  });

  it('runs programs with input, and ends what is aborted', async () => {
    const input = Readable.from([Buffer.alloc(1 << 20), Buffer.alloc(1 << 20)]);
    assert.equal((await transport.exec(['wc', '-c'], { input })).stdout.trim(), String(2 << 20));
    const unread = await transport.exec(['sh', '-c', 'exit 3'], { input: Buffer.alloc(4 << 20) });
    assert.equal(unread.exitCode, 3);
    assert.equal((await transport.exec(['no-such-program'])).exitCode, 127);
    const signal = AbortSignal.timeout(100);
    assert.equal((await transport.exec(['sleep', '60'], { signal })).exitCode, null);
  });
});
