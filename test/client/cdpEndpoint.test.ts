import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { WebSocket } from 'ws';
import { CdpEndpoint } from '../../client/cdpEndpoint.ts';
import { LocalDebuggee } from '../debug-adapter/support/localDebuggee.ts';
import { CdpClient } from '../support/cdpClient.ts';

const program = `
let total = 0;
function add(amount) {
  const before = total;
  total += amount; // line 5
  return before;
}
setInterval(() => console.log(add(1)), 20);
`;

interface Paused {
  readonly callFrames: { callFrameId: string; location: { lineNumber: number } }[];
}

describe('a CDP endpoint for other debuggers', function () {
  this.timeout(60_000);
  let debuggee: LocalDebuggee;
  let endpoint: CdpEndpoint;

  beforeEach(async () => {
    debuggee = await LocalDebuggee.start(program);
    endpoint = await CdpEndpoint.open({
      title: 'counter',
      // Reached over its socket, as an agent reaches it.
      link: () => debuggee.link(),
    });
  });
  afterEach(async () => {
    endpoint.dispose();
    await debuggee.dispose();
  });

  async function get(
    path: string,
    headers: Record<string, string> = {},
  ): Promise<[number, string]> {
    const { port } = new URL(endpoint.url);
    return new Promise((resolve, reject) => {
      const asking = request({ host: '127.0.0.1', port, path, headers }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => (body += text));
        response.on('end', () => resolve([response.statusCode ?? 0, body]));
      });
      asking.on('error', reject);
      asking.end();
    });
  }

  async function connected(
    options: { origin?: string; headers?: Record<string, string> } = {},
  ): Promise<WebSocket> {
    const socket = new WebSocket(endpoint.url, options);
    await once(socket, 'open');
    return socket;
  }

  it('tells its list to who knows the path, and nothing to anybody else', async () => {
    const { pathname, port } = new URL(endpoint.url);
    const [status, body] = await get(`${pathname}/json/list`);
    assert.equal(status, 200);
    const [target] = JSON.parse(body) as Record<string, string>[];
    assert.equal(target?.['webSocketDebuggerUrl'], endpoint.url);
    assert.equal(target['title'], 'counter');
    for (const [path, headers] of [
      ['/json/list', {}],
      ['/json', {}],
      ['/', {}],
      ['/json/version', {}],
      [`${pathname}/json/list`, { Host: `attacker.example:${port}` }],
      [`${pathname}/json/list`, { Origin: 'https://attacker.example' }],
    ] as const) {
      assert.deepEqual(await get(path, headers), [404, ''], `${path} ${JSON.stringify(headers)}`);
    }
  });

  it('lets no web page and no other path in', async () => {
    const { port } = new URL(endpoint.url);
    for (const [url, options] of [
      [`ws://127.0.0.1:${port}/`, {}],
      [`ws://127.0.0.1:${port}/00000000000000000000000000000000`, {}],
      [endpoint.url, { origin: 'http://localhost:3000' }],
      [endpoint.url, { headers: { Host: 'attacker.example' } }],
    ] as const) {
      const socket = new WebSocket(url, options);
      const [error] = (await once(socket, 'error')) as [Error];
      assert.match(error.message, /404/);
    }
    (await connected({ origin: 'devtools://devtools' })).close();
    (await connected({ headers: { Host: 'localhost' } })).close();
  });

  it('pauses, and goes on with the same frames after the link broke', async () => {
    const client = new CdpClient(await connected());
    await client.send('Runtime.enable');
    await client.send('Debugger.enable');
    await client.send('Debugger.setBreakpointByUrl', {
      url: `file://${debuggee.script}`,
      lineNumber: 4,
    });
    let stop = client.next<Paused>('Debugger.paused');
    await client.send('Runtime.runIfWaitingForDebugger');
    const frame = (await stop).callFrames[0];
    debuggee.breakLink();
    stop = client.next<Paused>('Debugger.paused');
    const value = client.send<{ result: { value: number } }>('Debugger.evaluateOnCallFrame', {
      callFrameId: frame?.callFrameId,
      expression: 'amount = 10, before',
    });
    const step = client.send('Debugger.stepOver');
    setTimeout(() => debuggee.restoreLink(), 100);
    assert.equal((await value).result.value, 0);
    await step;
    assert.equal((await stop).callFrames[0]?.location.lineNumber, 5);
  });

  /** A client that holds the process, which then writes nothing more. */
  async function holding(): Promise<WebSocket> {
    const socket = await connected();
    const client = new CdpClient(socket);
    await client.send('Runtime.runIfWaitingForDebugger');
    await client.send('Debugger.enable');
    const stop = client.next('Debugger.paused');
    await client.send('Debugger.pause');
    await stop;
    return socket;
  }

  async function goesOn(): Promise<void> {
    const before = debuggee.output.length;
    const deadline = Date.now() + 20_000;
    while (debuggee.output.length === before) {
      assert.ok(Date.now() < deadline, 'the process goes on');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  it('lets the process run on when its client leaves', async () => {
    (await holding()).close();
    await goesOn();
  });

  it('lets it run on when the client leaves while the link is broken', async () => {
    const socket = await holding();
    debuggee.breakLink();
    const closed = once(socket, 'close');
    socket.close();
    await closed;
    debuggee.restoreLink();
    await goesOn();
  });

  it('lets it run on when the endpoint is closed', async () => {
    await holding();
    await endpoint.close();
    await goesOn();
  });

  it('closes its clients when the process ends', async () => {
    const closed = once(await connected(), 'close');
    debuggee.child.kill('SIGKILL');
    await closed;
  });

  it('survives a visitor that is turned away and gone before it hears so', async () => {
    const { port } = new URL(endpoint.url);
    for (let visit = 0; visit < 30; visit += 1) {
      const socket = connect(Number(port), '127.0.0.1');
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      socket.write(
        'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
      );
      socket.resetAndDestroy();
    }
    (await connected()).close();
  });

  it('closes the connection of a client that sends what is no request', async () => {
    for (const sent of ['not JSON', '[]', '{"id":"x","method":"Runtime.enable"}', '{"id":1}']) {
      const socket = await connected();
      const closed = once(socket, 'close');
      socket.send(sent);
      const [code] = (await closed) as [number];
      assert.equal(code, 1008, sent);
    }
  });
});
