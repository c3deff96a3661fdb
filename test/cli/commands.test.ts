import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { Flick, requireBuilt } from './flick.ts';

const errorDocument = v.object({
  error: v.object({ reason: v.string(), message: v.string(), remedy: v.optional(v.string()) }),
});
const processDocument = v.object({
  id: v.string(),
  name: v.string(),
  device: v.string(),
  pid: v.nullable(v.number()),
  state: v.string(),
  command: v.array(v.string()),
});

describe('the flick command', function () {
  this.timeout(120_000);
  let flick: Flick;
  before(function () {
    requireBuilt(this);
    flick = new Flick();
  });
  after(async () => flick.dispose());

  for (const [title, args] of [
    ['no command', []],
    ['an unknown command', ['frobnicate']],
    ['an unknown option', ['ps', '--frobnicate']],
    ['a missing argument', ['move', 'web']],
    ['a pid that is none', ['adopt', '--on', 'local', 'zero']],
    ['a signal that is none', ['kill', 'web', '--signal', 'SIGNONE']],
    ['an engine that is none', ['move', 'web', 'beta', '--engine', 'magic']],
    ['an address that is none', ['device', 'add', 'x', 'http://x']],
    ['a variable without a value', ['run', '--env', 'NAME', '--', 'true']],
    ['a detach key that is none', ['run', '--detach-keys', 'x', '--', 'true']],
    ['nothing to run', ['run', '--detach']],
  ] as const) {
    it(`ends with 2 for ${title}`, async () => {
      const { status, stdout, stderr } = await flick.run(args);
      assert.equal(status, 2, stderr);
      assert.equal(stdout, '');
      assert.match(stderr, /^flick: \S/);
      assert.doesNotMatch(stderr, /\n {4}at /);
    });
  }

  it('reports a usage error as JSON where that was asked for', async () => {
    const parsed = v.parse(errorDocument, await flick.json(['move', 'web'], 2));
    assert.equal(parsed.error.reason, 'usage');
  });

  it('prints help on standard output', async () => {
    const { status, stdout } = await flick.run(['--help']);
    assert.equal(status, 0);
    for (const each of ['run', 'move', 'device', 'doctor', 'ps']) assert.ok(stdout.includes(each));
  });

  it('prints its version, as a command and as an option', async () => {
    for (const word of ['version', '--version', '-V']) {
      const { status, stdout, stderr } = await flick.run([word]);
      assert.equal(status, 0, stderr);
      assert.match(stdout, /^flick \d+\.\d+\.\d+ \(protocol \d+\)\n$/);
    }
  });

  it('adds, lists and removes devices', async () => {
    await flick.json(['device', 'add', 'alpha', 'ssh://pi@10.9.8.7:2222', '--identity', 'id_key']);
    const listed = v.parse(
      v.array(v.looseObject({ name: v.string(), address: v.string() })),
      await flick.json(['device', 'ls']),
    );
    assert.equal(listed.length, 2);
    assert.equal(listed[1]?.name, 'alpha');
    assert.equal(listed[1].address, 'ssh://pi@10.9.8.7:2222');
    assert.match(String(listed[1]['identityFile']), /^\/.*\/id_key$/);
    const again = v.parse(
      errorDocument,
      await flick.json(['device', 'add', 'alpha', 'ssh://other'], 1),
    );
    assert.match(again.error.message, /already is a device “alpha”/);
    await flick.json(['device', 'rm', 'alpha']);
    const gone = v.parse(errorDocument, await flick.json(['device', 'rm', 'alpha'], 1));
    assert.match(gone.error.message, /no device “alpha”/);
  });

  it('says what is wrong with its device list', async () => {
    const broken = new Flick();
    try {
      mkdirSync(broken.home, { recursive: true });
      writeFileSync(join(broken.home, 'devices.json'), '{"version":1,"devices":[{"name":1}]}');
      const { status, stderr } = await broken.run(['ps']);
      assert.equal(status, 1);
      assert.match(stderr, /devices\.json is not a device list.*devices\.0\.name/);
    } finally {
      await broken.dispose();
    }
  });

  it('starts, lists, shows, ends and forgets a process', async () => {
    const launched = v.parse(
      processDocument,
      await flick.json([
        ...['run', '--detach', '--name', 'greeter', '--env', 'WHO=world', '--'],
        ...['sh', '-c', 'echo "hello $WHO from $PWD"; exec sleep 1000'],
      ]),
    );
    assert.equal(launched.name, 'greeter');
    assert.equal(launched.state, 'running');
    const listed = v.parse(v.array(processDocument), await flick.json(['ps']));
    assert.deepEqual(
      listed.map((each) => each.id),
      [launched.id],
    );
    const cwd = join(flick.home, '..');
    let log = '';
    for (let i = 0; i < 50 && !log.endsWith('\n'); i += 1)
      log = (await flick.run(['logs', 'greeter'])).stdout;
    assert.equal(log, `hello world from ${cwd}\r\n`);
    const refused = v.parse(errorDocument, await flick.json(['forget', 'greeter'], 3));
    assert.match(refused.error.message, /still runs/);
    await flick.json(['kill', 'greeter', '--signal', 'term']);
    assert.deepEqual(await flick.json(['wait', launched.id]), {
      exitCode: null,
      signal: 'SIGTERM',
    });
    const table = (await flick.run(['ps'])).stdout;
    assert.match(table, /^ID +NAME +DEVICE +PID +STATE +COMMAND\n/);
    assert.match(table, /greeter .*ended by SIGTERM/);
    await flick.json(['forget', launched.id]);
    assert.deepEqual(await flick.json(['ps']), []);
  });

  it('has the exit status of the program that it runs, whose input is its own', async () => {
    const { status, stdout } = await flick.run(
      ['run', '--', 'sh', '-c', 'read x; echo "<$x>"; exit 5'],
      'in\n',
    );
    assert.equal(status, 5);
    assert.match(stdout, /<in>\r\n$/);
    const cat = await flick.run(['run', '--', 'cat'], 'one\ntwo');
    assert.equal(cat.status, 0);
    assert.match(cat.stdout, /two/);
    const killed = await flick.run(['run', '--', 'sh', '-c', 'kill -9 $$']);
    assert.equal(killed.status, 128 + 9);
  });

  it('keeps standard output for the JSON document', async () => {
    const finished = await flick.run(['run', '--json', '--', 'sh', '-c', 'echo shown; exit 4']);
    assert.equal(finished.status, 4);
    assert.match(finished.stderr, /shown/);
    const document = v.parse(
      v.object({ name: v.string(), exitCode: v.number(), signal: v.null() }),
      JSON.parse(finished.stdout),
    );
    assert.equal(document.exitCode, 4);
  });

  it('shows control characters of others escaped', async () => {
    const words = ['true', 'a\nb\u001b[31mred'];
    await flick.json(['run', '--detach', '--name', 'painted', '--', ...words]);
    const { stdout } = await flick.run(['ps']);
    assert.ok(stdout.includes(String.raw`true 'a\nb\e[31mred'`), stdout);
    const refused = await flick.run(['run', '--detach', '--name', 'two\nlines', '--', 'true']);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /line breaks or control characters/);
  });

  it('explains what is not there', async () => {
    const process = v.parse(errorDocument, await flick.json(['logs', 'nobody'], 1));
    assert.equal(process.error.reason, 'noSuchProcess');
    const device = v.parse(
      errorDocument,
      await flick.json(['run', '--on', 'mars', '--', 'true'], 1),
    );
    assert.match(device.error.message, /no device “mars”/);
    const program = v.parse(
      errorDocument,
      await flick.json(['run', '--detach', '--', 'no-such-program'], 1),
    );
    assert.equal(program.error.reason, 'launchFailed');
  });

  it('examines this machine', async () => {
    const [local] = v.parse(
      v.array(
        v.looseObject({
          reachable: v.boolean(),
          engines: v.array(v.looseObject({ engine: v.string() })),
        }),
      ),
      await flick.json(['doctor']),
    );
    assert.equal(local?.reachable, true);
    const { status, stdout } = await flick.run(['doctor', 'local']);
    assert.equal(status, 0);
    assert.match(stdout, /\n {4}criu +\S/);
  });

  it('will not set up a device unasked', async () => {
    const { status, stderr, stdout } = await flick.run(['device', 'setup', 'local']);
    if (stdout.startsWith('There is nothing to set up')) return;
    assert.equal(status, 1);
    assert.match(stderr, /why: /);
    assert.match(stderr, /--yes/);
  });
});
