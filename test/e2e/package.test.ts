import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../support/provisioned.ts';
import { skip } from '../support/skip.ts';
import { endProcesses, processesWith } from './vscode/processes.ts';
import { requireVsCode, VsCodeSession } from './vscode/session.ts';

describe('the package', function () {
  this.timeout(180_000);
  const folder = mkdtempSync(join(tmpdir(), 'flick-package-'));
  const home = join(folder, 'home');
  const vsix = join(folder, 'flick.vsix');
  let session: VsCodeSession | undefined;

  before(function () {
    const missing = ['extension.cjs', 'cli.cjs', 'agent.cjs'].filter(
      (name) => !existsSync(join(root, 'dist', name)),
    );
    if (missing.length > 0) skip(this, `${missing.join(', ')} not built`);
    vsce('package', '--no-dependencies', '--allow-missing-repository', '--out', vsix);
  });
  afterEach(async function () {
    await session?.keepFailure(this.currentTest);
  });
  after(async () => {
    await session?.close();
    await endProcesses(processesWith('FLICK_HOME', home), 0);
    rmSync(folder, { recursive: true, force: true });
  });

  it('installs in VS Code and shows its view', async function () {
    requireVsCode(this);
    session = await VsCodeSession.open({ vsix: [vsix], env: { HOME: folder, FLICK_HOME: home } });
    await session.workbench.openContainer('Flick');
    await session.extensionActive('flick.flick');
    const path = await session.host(
      (code) => code.extensions.getExtension('flick.flick')?.extensionPath ?? '',
    );
    assert.ok(path.startsWith(session.server.folder), `${path} is not the installed one`);
    for (const name of ['extension.cjs', 'cli.cjs', 'agent.cjs']) {
      assert.ok(existsSync(join(path, 'dist', name)), `${name} is not in the package`);
    }
    await session.screenshot('package-installed');
  });

  it('holds nothing but what the extension needs', () => {
    const listed = vsce('ls', '--no-dependencies').trim().split('\n');
    const wanted =
      /^(package(\.nls)?\.json|(README|CHANGELOG)\.md|LICENSE|dist\/\w+\.cjs|media\/.*\.(png|svg)|l10n\/.*\.json)$/;
    assert.deepEqual(
      listed.filter((name) => !wanted.test(name)),
      [],
    );
  });
});

/** Runs the packager in the root of the clone; gives what it prints. */
function vsce(...args: readonly string[]): string {
  const program = join(root, 'node_modules', '@vscode', 'vsce', 'vsce');
  const ended = spawnSync(process.execPath, [program, ...args], { cwd: root, encoding: 'utf8' });
  assert.equal(ended.status, 0, ended.stdout + ended.stderr);
  return ended.stdout;
}
