import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { CdpClient } from '../support/cdpClient.ts';
import { root } from '../support/provisioned.ts';
import { eventually, LabFixture } from './labFixture.ts';

const program = `
let total = 0;
function add(amount) {
  const before = total;
  total += amount; // line 5
  return before;
}
setInterval(() => { add(1); console.log('total is ' + total); }, 50);
`;

interface Paused {
  readonly callFrames: { callFrameId: string; location: { lineNumber: number } }[];
}

describe('flick debug-url', function () {
  this.timeout(120_000);
  let fixture: LabFixture;
  let served: ChildProcess | undefined;

  before(async function () {
    fixture = await LabFixture.up(this, ['alpha', 'beta']);
    await fixture.on('alpha', ['sh', '-c', 'mkdir -p /srv/app && cat > /srv/app/add.js'], {
      input: program,
    });
  });
  afterEach(() => {
    served?.kill('SIGKILL');
  });
  after(async () => {
    await fixture?.down();
  });

  async function serve(id: string): Promise<string> {
    served = spawn(process.execPath, [join(root, 'dist/cli.cjs'), 'debug-url', id, '--json'], {
      env: { ...process.env, FLICK_HOME: fixture.lab.flickHome },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let text = '';
    for await (const chunk of served.stdout ?? []) {
      text += String(chunk);
      const url = /"url": "(ws:[^"]+)"/.exec(text)?.[1];
      if (url !== undefined) return url;
    }
    throw new Error(`No address was given: ${text}`);
  }

  it('gives a plain CDP client an address that does not notice a move', async () => {
    const id = await fixture.start('alpha', 'adder', ['node', '/srv/app/add.js']);
    const socket = new WebSocket(await serve(id));
    await once(socket, 'open');
    const client = new CdpClient(socket);
    await client.send('Runtime.enable');
    await client.send('Debugger.enable');
    let stop = client.next<Paused>('Debugger.paused');
    await client.send('Debugger.setBreakpointByUrl', {
      url: 'file:///srv/app/add.js',
      lineNumber: 4,
    });
    const frame = (await stop).callFrames[0];
    await fixture.move(id, 'beta');
    await client.send('Debugger.evaluateOnCallFrame', {
      callFrameId: frame?.callFrameId,
      expression: 'amount = 1000',
    });
    stop = client.next<Paused>('Debugger.paused');
    await client.send('Debugger.stepOver');
    assert.equal((await stop).callFrames[0]?.location.lineNumber, 5);
    assert.equal(socket.readyState, WebSocket.OPEN);
    assert.equal((await fixture.find(id))?.device, 'beta');
    // Ctrl-C of the command lets the process run on.
    served?.kill('SIGINT');
    await eventually(
      async () => (/total is 1\d\d\d/.test(await fixture.logs(id)) ? true : undefined),
      'the process goes on',
    );
    await fixture.end(id);
  });

  it('ends with the process, and refuses what is not Node.js', async () => {
    const id = await fixture.start('alpha', 'adder', ['node', '/srv/app/add.js']);
    await serve(id);
    const ended = once(served ?? process, 'exit');
    await fixture.flick.run(['kill', id, '--signal', 'KILL']);
    const [code] = (await ended) as [number];
    assert.equal(code, 0);
    await fixture.flick.run(['forget', id]);
    const other = await fixture.start('alpha', 'sleeper', ['sleep', '100']);
    const refused = await fixture.flick.run(['debug-url', other]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /runs no Node\.js/);
    await fixture.end(other);
  });
});
