import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../support/provisioned.ts';
import { FlickCommand } from '../support/flick.ts';
import { temporaryFolder } from '../support/temporary.ts';

/** Somebody whom no device knows: no name, no home, no privilege. */
const stranger = 54_321;

describe('the demo without root', function () {
  this.timeout(180_000);
  const folder = temporaryFolder();
  after(() => folder.remove());

  it('moves a program between two agents of a user without any privilege', async function () {
    FlickCommand.requireBuilt(this);
    const isRoot = process.getuid?.() === 0;
    if (isRoot) chownSync(folder.path, stranger, stranger);
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', join(root, 'demo/main.ts'), '--no-root'],
      {
        cwd: root,
        env: { PATH: process.env['PATH'], HOME: folder.path, TMPDIR: folder.path },
        ...(isRoot ? { uid: stranger, gid: stranger } : {}),
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (said += text));
    }
    const [code] = (await once(child, 'close')) as [number | null];
    assert.equal(code, 0, said);
    assert.match(said, /Moved by the portable engine\. CRIU cannot be used on/);
    assert.match(said, /✓ One program, two agents, there and back/);
  });
});
