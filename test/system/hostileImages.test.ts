import assert from 'node:assert/strict';
import type { Fleet } from '../../client/fleet.ts';
import { sample } from '../support/seed.ts';
import { claiming } from './editedImages.ts';
import { moveAsHostile, type Hostility } from './hostileSource.ts';
import { eventually, fleetOf, LabFixture } from './labFixture.ts';
import { assertRunsOn } from './steady.ts';

const program = '/opt/grasp.py';
/** What must be after every test as it was before, on the target. */
const watched = ['/etc/passwd', '/home/dev-beta/.ssh/authorized_keys', '/home/dev-beta/.bashrc'];

describe('a hostile capsule', function () {
  this.timeout(60_000);
  let fixture: LabFixture;
  let fleet: Fleet;
  let untouched: string;

  before(async function () {
    this.timeout(90_000);
    fixture = await LabFixture.up(this, ['alpha', 'beta']);
    for (const device of ['alpha', 'beta']) {
      await fixture.place(device, 'grasp.py', program);
      await fixture.on(device, ['chmod', '755', '/opt', program]);
    }
    fleet = fleetOf(fixture);
    for (const each of fleet.devices) if (!each.isLocal) await each.connect();
    untouched = await fingerprint();
  });
  after(async () => {
    fleet?.dispose();
    await fixture?.down();
  });
  afterEach(async () => {
    assert.equal(await fingerprint(), untouched);
  });

  /** All that could have been changed on beta outside of Flick's own folders. */
  async function fingerprint(): Promise<string> {
    const script = `sha256sum "$@" 2>&1; stat -c '%n %a %u' "$@" 2>&1; ls -A /home/dev-beta /home/dev-beta/.ssh /etc /root /tmp /opt`;
    return fixture.on('beta', ['sh', '-c', script, 'sh', ...watched]);
  }

  async function begin(): Promise<string> {
    return fixture.start('alpha-dev', 'hostile', ['python3', program]);
  }

  async function attack(id: string, hostility: Hostility): ReturnType<typeof moveAsHostile> {
    return moveAsHostile(fleet.device('alpha-dev'), fleet.device('beta-dev'), id, hostility);
  }

  async function assertNothingLeft(): Promise<void> {
    await eventually(async () => {
      const left = await fixture.on('beta', ['ls', '/home/dev-beta/.flick/processes']);
      return left === '' ? true : undefined;
    }, 'nothing of it is left');
    assert.deepEqual(await fixture.pidsOf('beta', `^python3 ${program}$`), []);
  }

  /** Asserts that every process of the capsule has the rights of dev and no others. */
  async function assertIsDev(): Promise<void> {
    const pids = await fixture.pidsOf('beta', `^python3 ${program}$`);
    assert.equal(pids.length, 1);
    for (const pid of pids) {
      const status = await fixture.on('beta', ['cat', `/proc/${String(pid)}/status`]);
      assert.match(status, /^Uid:\t1202\t1202\t1202\t1202$/m);
      const namespaces = await fixture.on('beta', [
        ...['readlink', `/proc/${String(pid)}/ns/user`, '/proc/self/ns/user'],
      ]);
      const [its, ours] = namespaces.trim().split('\n');
      // A capability counts in the user namespace that one is in, and in those below it (user_namespaces(7)).
      assert.notEqual(its, ours);
      const map = await fixture.on('beta', ['cat', `/proc/${String(pid)}/uid_map`]);
      assert.match(map, /^\s*\d+\s+1202\s+1\n$/);
    }
  }

  const claims = [
    ['uid 0', { uids: [0, 0, 0, 0] }],
    ['uid 0 and every capability', { uids: [0, 0, 0, 0], capabilities: true }],
    ['every capability', { capabilities: true }],
    ['the id of another user', { uids: [65_534, 65_534, 65_534, 65_534] }],
  ] as const;
  for (const [what, claim] of sample('claims', claims, 2)) {
    it(`that claims ${what} has the rights of whoever received it, or is refused`, async () => {
      const id = await begin();
      const error = await attack(id, { images: (images) => claiming(images, claim) });
      if (error === undefined) {
        await assertRunsOn(fixture, id, 'beta-dev');
        await assertIsDev();
      } else {
        assert.match(error.message, /\S/);
        await assertRunsOn(fixture, id, 'alpha-dev');
        await assertNothingLeft();
      }
      await fixture.end(id);
    });
  }

  it('is taken when it is none', async () => {
    const id = await begin();
    assert.equal(await attack(id, {}), undefined);
    await assertRunsOn(fixture, id, 'beta-dev');
    await assertIsDev();
    await fixture.end(id);
  });

  describe('is refused, and nothing of it stays', () => {
    let id: string;
    before(async () => {
      id = await begin();
    });
    after(() => fixture.end(id));

    const attacks: readonly (readonly [string, Hostility, RegExp])[] = [
      [
        'several users at once',
        { images: (images) => claiming(images, { uids: [1201, 0, 1201, 1201] }) },
        /runs as several users/,
      ],
      [
        'an image with a path',
        { images: (images) => new Map([...images, ['../../escape.img', Buffer.from('x')]]) },
        /something unexpected/,
      ],
      ['more bytes than announced', { overlong: true }, /larger than announced/],
      [
        'images that CRIU never wrote',
        {
          images: (images) =>
            new Map([...images].map(([name]) => [name, Buffer.from('not an image at all')])),
        },
        /damaged|not written by CRIU/,
      ],
      [
        'a path that climbs',
        { files: [{ path: '/tmp/../etc/flick-taken', content: 'x', mode: 0o644 }] },
        /may travel|unexpected|refused/,
      ],
      [
        'a path in the kernel’s trees',
        { files: [{ path: '/proc/self/mem', content: 'x', mode: 0o644 }] },
        /may travel|unexpected|refused/,
      ],
      [
        'the same path twice',
        {
          files: [
            { path: '/tmp/twice', content: 'x', mode: 0o644 },
            { path: '/tmp/twice', content: 'y', mode: 0o644 },
          ],
        },
        /twice/,
      ],
      [
        'a file through a link of its own',
        {
          links: [{ path: '/tmp/way', target: '/home/dev-beta/.ssh' }],
          files: [{ path: '/tmp/way/authorized_keys', content: 'mine', mode: 0o600 }],
        },
        /link/,
      ],
    ];
    for (const [what, hostility, sentence] of sample('attacks', attacks, 4)) {
      it(what, async () => {
        const error = await attack(id, hostility);
        assert.match(error?.message ?? 'it was taken', sentence);
        await assertNothingLeft();
        await assertRunsOn(fixture, id, 'alpha-dev');
      });
    }
  });

  it('puts files only into its own layer, without set-user-id bits', async () => {
    const id = await begin();
    const keys = '/home/dev-beta/.ssh/authorized_keys';
    const error = await attack(id, {
      files: [
        { path: keys, content: 'ssh-ed25519 mine', mode: 0o600 },
        { path: '/home/dev-beta/rooted', content: '#!/bin/sh\n', mode: 0o6755 },
        { path: '/tmp/rooted', content: '#!/bin/sh\n', mode: 0o6755 },
      ],
    });
    assert.equal(error, undefined);
    await assertIsDev();
    const setuid = await fixture.on('beta', [
      ...['find', '/home/dev-beta', '-perm', '/6000', '-type', 'f'],
    ]);
    assert.equal(setuid, '');
    const owners = await fixture.on('beta', [
      ...['find', '/home/dev-beta/.flick', '-name', 'rooted', '-printf', '%u %m\\n'],
    ]);
    assert.deepEqual([...new Set(owners.trim().split('\n'))], ['dev 755']);
    await fixture.end(id);
  });
});
