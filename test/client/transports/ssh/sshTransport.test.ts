import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable, type Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../../../system/labFixture.ts';
import { failsWith, SshFixture } from './sshFixture.ts';

describe('a device over SSH', function () {
  this.timeout(90_000);
  let fixture: SshFixture;

  before(function () {
    SshFixture.require(this);
  });
  beforeEach(() => (fixture = new SshFixture()));
  afterEach(async () => fixture?.dispose());

  const say = async (stream: Duplex, text: string): Promise<string> => {
    const heard = new Promise<string>((resolve) => {
      let received = '';
      stream.on('data', (chunk: Buffer) => {
        received += chunk.toString();
        if (received.length >= text.length) resolve(received);
      });
    });
    stream.write(text);
    return heard;
  };

  /** The line that a program writes into a file. */
  const written = (file: string): Promise<string> =>
    eventually(async () => {
      const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
      return text.endsWith('\n') ? text.trim() : undefined;
    }, `${file} is written`);

  it('pushes the agent once, starts it, and opens streams to its socket', async () => {
    const server = await fixture.server();
    fixture.know(server);
    const transport = fixture.transport(server);
    const steps: string[] = [];
    const hello = await transport.ensureAgent(fixture.agentFile, (step) => steps.push(step));
    assert.equal(hello.socket, join(server.home, '.flick/agent.sock'));
    assert.deepEqual(steps, ['copying the agent to the device', 'starting the agent']);
    const [version = ''] = readdirSync(join(server.home, '.flick/agent'));
    assert.equal(version, fixture.agentFile.sha256.slice(0, 16));
    const pushed = join(server.home, '.flick/agent', version, 'agent.cjs');
    assert.deepEqual(readFileSync(pushed), fixture.agentFile.bytes);
    assert.equal(statSync(pushed).mode & 0o777, 0o600);
    assert.equal(statSync(join(server.home, '.flick')).mode & 0o777, 0o700);
    const [one, two] = await Promise.all([transport.connect(), transport.connect()]);
    assert.equal(await say(one, 'one'), 'one');
    assert.equal(await say(two, 'two'), 'two');
    one.destroy();
    assert.equal(await say(two, 'still'), 'still');

    const before = statSync(pushed);
    await transport.ensureAgent(fixture.agentFile, (step) => steps.push(step));
    assert.deepEqual(steps.slice(2), ['starting the agent']);
    assert.equal(statSync(pushed).ino, before.ino);
    // An agent that was damaged is pushed again.
    writeFileSync(pushed, 'damaged');
    await transport.ensureAgent(fixture.agentFile);
    assert.deepEqual(readFileSync(pushed), fixture.agentFile.bytes);
  });

  it('reaches the agent through its own pipe where the server forwards no sockets', async () => {
    const server = await fixture.server('server', { config: ['AllowStreamLocalForwarding no'] });
    fixture.know(server);
    writeFileSync(join(server.home, '.bashrc'), 'echo hello from rc; printf "no end of line"\n');
    const transport = fixture.transport(server);
    await transport.ensureAgent(fixture.agentFile);
    const [one, two] = [await transport.connect(), await transport.connect()];
    const long = 'x'.repeat(3 << 20);
    assert.equal(await say(one, long), long);
    assert.equal(await say(two, 'two'), 'two');
  });

  it('hears only the program where rc files print', async () => {
    const server = await fixture.server();
    fixture.know(server);
    const noise = 'echo Welcome; echo "{}"; echo noise >&2; printf "> "\n';
    writeFileSync(join(server.home, '.bashrc'), noise);
    const transport = fixture.transport(server);
    assert.deepEqual(await transport.exec(['sh', '-c', 'echo out; echo err >&2; exit 3']), {
      exitCode: 3,
      stdout: 'out\n',
      stderr: 'err\n',
    });
    assert.equal((await transport.ensureAgent(fixture.agentFile)).deviceId, 'd-stand-in');
  });

  it('quotes arguments, feeds input with back-pressure, and ends what is aborted', async () => {
    const server = await fixture.server();
    fixture.know(server);
    const transport = fixture.transport(server);
    const words = ['', ' ', "it's", '"', '$HOME', 'a\nb\n', '\\', '!x', '*', 'é', '-n', '%s;&|'];
    const { stdout } = await transport.exec(['printf', '%s\\0', ...words]);
    assert.deepEqual(stdout.split('\0').slice(0, -1), words);
    const input = Readable.from([Buffer.alloc(4 << 20, 'a'), Buffer.alloc(1 << 20, 'b')]);
    assert.equal((await transport.exec(['wc', '-c'], { input })).stdout.trim(), String(5 << 20));
    // A program that does not read its input ends all the same.
    const unread = await transport.exec(['true'], { input: Buffer.alloc(8 << 20) });
    assert.equal(unread.exitCode, 0);
    const missing = await transport.exec(['no-such-program']);
    assert.equal(missing.exitCode, 127);
    assert.match(missing.stderr, /^sh: .*no-such-program: not found$/m);
    const abort = new AbortController();
    const pidFile = join(server.home, 'pid');
    const sleeping = transport.exec(['sh', '-c', 'echo $$ > "$1"; exec sleep 60', 'sh', pidFile], {
      signal: abort.signal,
    });
    const pid = await written(pidFile);
    abort.abort();
    assert.equal((await sleeping).exitCode, null);
    await eventually(async () => (existsSync(`/proc/${pid}`) ? undefined : true), 'it is gone');
  });

  it('says that a link is gone, and opens it again', async () => {
    const server = await fixture.server();
    fixture.know(server);
    const transport = fixture.transport(server);
    await transport.ensureAgent(fixture.agentFile);
    const stream = await transport.connect();
    const streamClosed = new Promise((resolve) => stream.once('close', resolve));
    const closed = new Promise((resolve) => transport.onDidClose(resolve));
    const pidFile = join(server.home, 'pid');
    const running = transport.exec(['sh', '-c', 'echo $$ > "$1"; exec sleep 60', 'sh', pidFile]);
    const outcome = assert.rejects(running, failsWith('closed'));
    await written(pidFile);
    stream.resume();
    await server.stop();
    await Promise.all([closed, streamClosed, outcome]);
    await assert.rejects(transport.exec(['true']), failsWith('unreachable', /nothing listens/));
    await server.start();
    assert.equal((await transport.exec(['echo', 'back'])).stdout, 'back\n');
    await transport.ensureAgent(fixture.agentFile);
    assert.equal(await say(await transport.connect(), 'again'), 'again');
  });

  it('tells nothing and opens nothing after it was disposed', async () => {
    const server = await fixture.server();
    fixture.know(server);
    const transport = fixture.transport(server);
    await transport.exec(['true']);
    let told = false;
    transport.onDidClose(() => (told = true));
    transport.dispose();
    await delay(300);
    assert.equal(told, false);
    await assert.rejects(transport.exec(['true']), failsWith('closed'));
    assert.equal(existsSync(fixture.ownKnownHosts), false);
  });
});
