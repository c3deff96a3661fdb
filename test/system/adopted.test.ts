import assert from 'node:assert/strict';
import { join } from 'node:path';
import { requireProgram, root } from '../support/provisioned.ts';
import type { Listed } from '../support/flick.ts';
import { beats, broken, eventually, type LabFixture } from './labFixture.ts';
import {
  counter,
  generator,
  nginx,
  pipeline,
  redis,
  threads,
  transaction,
  type Ground,
  type Program,
} from './programs.ts';
import { roundTrip, twoDevices } from './roundTrip.ts';
import { Screen } from './screen.ts';
import { siteAt, travel, type Site, type Station } from './stations.ts';

/** A Node where a version manager would put it: outside the folders of the system. */
const ownNode = '/srv/tools/node';

const makers: readonly ((ground: Ground) => Program)[] = [
  (ground) =>
    counter(ground, {
      name: 'the Node 20 HTTP server',
      node: ownNode,
      version: 'v20.',
      port: 8122,
    }),
  (ground) => generator(ground),
  (ground) => redis(ground, 6392),
  transaction,
  (ground) => nginx(ground, 8182),
  threads,
  pipeline,
];

describe('adopted programs move from alpha to beta and back', function () {
  this.timeout(60_000);
  let fixture: LabFixture;
  before(async function () {
    fixture = await twoDevices(this, 'root');
    const copy = 'mkdir -p "${1%/*}" && cp "$(readlink -f "$(command -v node)")" "$1"';
    for (const device of ['alpha', 'beta']) {
      await fixture.on(device, ['sh', '-c', copy, 'sh', ownNode]);
    }
  });
  after(async () => fixture?.down());

  const adopt = async (pid: number, name: string, options: readonly string[]): Promise<string> => {
    const words = ['adopt', '--on', 'alpha', String(pid), '--name', name, ...options];
    return (await fixture.flick.json<Listed>(words)).id;
  };

  /** The PID on alpha of the only process with such a command line. */
  const pidOf = async (mark: string): Promise<number> =>
    eventually(async () => (await fixture.pidsOf('alpha', mark))[0], `${mark} runs on alpha`);

  for (const [index, make] of makers.entries()) {
    const folder = '/root/adopted';
    // Only its name is needed before there are devices.
    const { name } = make({ user: 'root', folder, fixture: undefined as never });
    it(`a daemon of its own session: ${name}`, async function () {
      const program = make({ user: 'root', folder, fixture });
      const log = `${folder}/output-${String(index)}.log`;
      const [first = ''] = Object.keys(program.marks);
      const start = async ({ command, options = [] }: Program): Promise<string> => {
        const script = 'cd / && out="$1" && shift && setsid --fork "$@" < /dev/null > "$out" 2>&1';
        await fixture.on('alpha', ['sh', '-c', script, 'sh', log, ...command]);
        return adopt(await pidOf(first), name, options);
      };
      // It goes on writing into the file, which is its own on beta.
      const site = (id: string, station: Station): Site => ({
        ...siteAt(fixture, id, station, 'root'),
        output: async () => {
          if (station === 'alpha') return fixture.on('alpha', ['cat', log]);
          const [pid = 0] = await fixture.pidsOf(station, first);
          return fixture.on(station, ['cat', `/proc/${String(pid)}/root${log}`]);
        },
      });
      await roundTrip(this, program, { fixture, user: 'root', start, site });
      assert.notEqual((await fixture.lab.exec('beta', ['test', '-e', log])).code, 0);
    });
  }

  /** A session of somebody on alpha, and of somebody who looks at a process through Flick. */
  const logIn = (): Screen => {
    const { address } = fixture.lab.device('alpha');
    const argv = [
      ...(['ssh', '-tt', '-i', fixture.lab.identity, '-o', 'IdentitiesOnly=yes'] as const),
      ...['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null'],
      ...['-o', 'LogLevel=ERROR', `root@${address}`],
    ] as const;
    return new Screen(argv, process.env);
  };
  const attach = (id: string): Screen =>
    new Screen([process.execPath, join(root, 'dist/cli.cjs'), 'attach', id], {
      ...process.env,
      FLICK_HOME: fixture.lab.flickHome,
    });

  it('a job in the foreground of somebody’s shell', async () => {
    const shell = logIn();
    let viewer: Screen | undefined;
    try {
      await shell.shows(/# ?$/m);
      await fixture.place('alpha', 'job.sh', '/root/adopted/job.sh');
      shell.type('bash /root/adopted/job.sh\r');
      await shell.shows(/beat 3/);
      shell.type('one\r');
      await shell.shows(/heard one/);
      const marks = { 'adopted/job\\.sh$': 1 };
      const id = await adopt(await pidOf('adopted/job\\.sh$'), 'job', []);
      const journey = { fixture, id, user: 'root', marks } as const;
      await travel({ ...journey, from: 'alpha', to: 'beta' });
      shell.type('echo still-$((40 + 2))\r');
      await shell.shows(/still-42/);
      const before = beats(shell.text).at(-1) ?? 0;

      viewer = attach(id);
      await viewer.shows(/beat/);
      viewer.type('two\r');
      await viewer.shows(/heard two/);
      await travel({ ...journey, from: 'beta', to: 'alpha' });
      viewer.type('three\r');
      await viewer.shows(/heard three/);
      const all = [...beats(shell.text), ...beats(viewer.text)];
      assert.ok((all.at(-1) ?? 0) > before);
      assert.equal(broken(all), undefined);
      viewer.type('\u0003');
      assert.equal(await viewer.ends(), 130);
      assert.doesNotMatch(shell.text, /heard (two|three)/);
    } finally {
      viewer?.close();
      shell.close();
    }
  });

  it('vim in somebody’s shell, with unsaved text', async function () {
    requireProgram(this, 'vim');
    const file = '/root/adopted/note.txt';
    const shell = logIn();
    let viewer: Screen | undefined;
    try {
      await shell.shows(/# ?$/m);
      shell.type(`mkdir -p /root/adopted; vim -u NONE -N ${file}\r`);
      await shell.shows(/^~$/m);
      shell.type('iwritten on alpha\u001b');
      await shell.shows(/^written on alpha$/m);
      const marks = { '^vim -u NONE': 1 };
      const id = await adopt(await pidOf('^vim -u NONE'), 'vim', []);
      const journey = { fixture, id, user: 'root', marks } as const;
      await travel({ ...journey, from: 'alpha', to: 'beta' });
      viewer = attach(id);
      viewer.type('\u000c');
      await viewer.shows(/^written on alpha$/m);
      viewer.type('owritten on beta\u001b');
      await viewer.shows(/^written on alpha\nwritten on beta\n~/m);
      await travel({ ...journey, from: 'beta', to: 'alpha' });
      viewer.type(':wq\r');
      assert.equal(await viewer.ends(), 0);
      const text = 'written on alpha\nwritten on beta\n';
      assert.equal(await fixture.on('alpha', ['cat', file]), text);
    } finally {
      viewer?.close();
      shell.close();
    }
  });
});
