import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../lab/commands.ts';
import { root } from '../support/provisioned.ts';

describe('the test runner', function () {
  this.timeout(120_000);
  let folder: string | undefined;

  beforeEach(() => {
    mkdirSync(join(root, 'test-output'), { recursive: true });
    folder = mkdtempSync(join(root, 'test-output', 'specs-'));
  });

  afterEach(() => {
    if (folder !== undefined) rmSync(folder, { recursive: true });
  });

  /** Runs the runner on one spec file. @returns its exit status and output */
  async function runSpec(text: string): Promise<{ code: number; stdout: string }> {
    const spec = join(folder ?? '', 'case.test.ts');
    writeFileSync(spec, `import { skip } from '../../test/support/skip.ts';\n${text}`);
    return run([process.execPath, join(root, 'scripts/test.mjs'), '--no-build', spec]);
  }

  const lastLine = (text: string): string | undefined => text.trimEnd().split('\n').at(-1);

  it('counts passed, failed and skipped tests, and gives the reasons', async () => {
    const { code, stdout } = await runSpec(`
      describe('a', () => {
        before(function () { skip(this, 'no such thing here'); });
        it('one', () => {});
        it('two', () => {});
      });
      it('works', () => {});
      it('breaks', () => { throw new Error('the cause'); });
    `);
    assert.equal(code, 1);
    assert.equal(lastLine(stdout), '1 passed, 1 failed, 2 skipped');
    const lists = stdout.slice(stdout.indexOf('Skipped:'));
    assert.match(lists, /a one .*\n +no such thing here\n +a two .*\n +no such thing here/);
    assert.match(lists, /breaks .*\n +the cause/);
  });

  it('succeeds where all pass', async () => {
    const { code, stdout } = await runSpec(`it('works', () => {});`);
    assert.equal(code, 0);
    assert.equal(lastLine(stdout), '1 passed, 0 failed');
  });

  it('fails where no test ran', async () => {
    const { code, stdout } = await runSpec(`it('left out', function () { skip(this, 'why'); });`);
    assert.equal(code, 1);
    assert.equal(lastLine(stdout), '0 passed, 0 failed, 1 skipped');
  });

  it('counts a suite that crashes as failed, and what ran before it', async () => {
    const { code, stdout } = await runSpec(`
      it('works', () => {});
      it('crashes', () => { process.kill(process.pid, 'SIGKILL'); });
    `);
    assert.equal(code, 1);
    assert.equal(lastLine(stdout), '1 passed, 1 failed');
    assert.match(stdout, /the unit suite runs to its end .*\n +ended by SIGKILL/);
  });

  it('counts a spec that cannot be loaded as failed', async () => {
    const { code, stdout } = await runSpec(`import './missing.ts';`);
    assert.equal(code, 1);
    assert.equal(lastLine(stdout), '0 passed, 1 failed');
  });
});
