import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endProcesses, processesWith } from './vscode/processes.ts';
import { packExtension, vsce } from './vscode/packager.ts';
import { requireVsCode, VsCodeSession } from './vscode/session.ts';

describe('the package', function () {
  this.timeout(180_000);
  const folder = mkdtempSync(join(tmpdir(), 'flick-package-'));
  const home = join(folder, 'home');
  const vsix = join(folder, 'flick.vsix');
  let session: VsCodeSession | undefined;

  before(function () {
    packExtension(this, vsix);
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
      /^(package(\.nls)?\.json|(README|CHANGELOG)\.md|LICENSE|dist\/\w+\.cjs|dist\/criu-bundle-x64\.tar\.gz|media\/.*\.(png|svg)|l10n\/.*\.json)$/;
    assert.deepEqual(
      listed.filter((name) => !wanted.test(name)),
      [],
    );
  });
});
