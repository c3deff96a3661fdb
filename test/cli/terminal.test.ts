import assert from 'node:assert/strict';
import { spawn } from 'node-pty';
import { setTimeout as delay } from 'node:timers/promises';
import { Flick, flickFile, requireBuilt } from './flick.ts';
import { Person } from './person.ts';

describe('flick run on a terminal', function () {
  this.timeout(120_000);
  let flick: Flick;
  before(function () {
    requireBuilt(this);
    flick = new Flick();
  });
  after(async () => flick.dispose());

  it('gives the program a terminal of the same size, also after it changed', async () => {
    const person = new Person(flick, [
      'run',
      '--',
      'sh',
      '-c',
      'trap "stty size; exit 6" WINCH; stty size; while :; do sleep 0.1; done',
    ]);
    await person.sees(/^31 97\r$/m);
    await person.sees(/Ctrl-\] detaches/);
    person.terminal.resize(120, 40);
    await person.sees(/^40 120\r$/m);
    assert.equal(await person.ends(), 6);
  });

  it('passes every key on, Ctrl-C too', async () => {
    const person = new Person(flick, [
      'run',
      '--',
      'sh',
      '-c',
      'trap "echo interrupted; exit 9" INT; echo ready; while :; do sleep 0.1; done',
    ]);
    await person.sees(/ready/);
    person.terminal.write('\u0003');
    await person.sees(/interrupted/);
    assert.equal(await person.ends(), 9);
  });

  it('detaches and comes back to the same program with what it wrote', async () => {
    const person = new Person(flick, ['run', '--name', 'shell', '--', 'sh', '-i']);
    await person.sees(/# $/);
    person.terminal.write('x=kept\n');
    await person.sees(/x=kept/);
    person.terminal.write('\u001d');
    assert.equal(await person.ends(), 0);
    assert.match(person.text, /detached; shell goes on/);

    const again = new Person(flick, ['attach', 'shell']);
    await again.sees(/x=kept/);
    again.terminal.write('echo "<$x>"\n');
    await again.sees(/<kept>/);
    again.terminal.write('exit 12\n');
    assert.equal(await again.ends(), 12);
  });

  it('leaves the terminal as it was when it is asked to end', async () => {
    const person = new Person(flick, ['run', '--name', 'sleeper', '--', 'sleep', '1000']);
    await person.sees(/detaches/);
    await delay(300);
    process.kill(person.terminal.pid, 'SIGTERM');
    assert.equal(await person.ends(), 143);
    await flick.json(['kill', 'sleeper', '--signal', 'KILL']);
  });

  it('is quiet when the reader of its output leaves', async () => {
    await flick.json(['run', '--detach', '--name', 'lines', '--', 'seq', '1', '5000']);
    await flick.json(['wait', 'lines']);
    const piped = spawn('sh', ['-c', `"${process.execPath}" "${flickFile}" logs lines | head -1`], {
      env: flick.environment,
    });
    let text = '';
    piped.onData((data) => (text += data));
    await new Promise<void>((resolve) => piped.onExit(() => resolve()));
    assert.match(text, /^1\r+\n$/);
  });
});
