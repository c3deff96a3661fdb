import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LabFixture } from '../system/labFixture.ts';
import { root } from '../support/provisioned.ts';
import { Debugging } from './vscode/debugging.ts';
import { packExtension } from './vscode/packager.ts';
import { endProcesses, processesWith } from './vscode/processes.ts';
import { requireVsCode, VsCodeSession } from './vscode/session.ts';
import { waitFor } from './vscode/wait.ts';

const program = `let total = 0;

function add(step) {
  const before = total;
  total += step;
  console.log('total is ' + total);
  return before;
}

setInterval(() => add(1), 400);
`;

describe('debugging in VS Code', function () {
  this.timeout(180_000);
  let session: VsCodeSession;
  let debugging: Debugging;
  let fixture: LabFixture;
  let folder: string;
  let id: string;

  before(async function () {
    requireVsCode(this);
    fixture = await LabFixture.up(this, ['alpha', 'beta']);
    folder = mkdtempSync(join(tmpdir(), 'flick-debugging-'));
    const vsix = join(folder, 'flick.vsix');
    packExtension(this, vsix);
    const workspace = join(folder, 'workspace');
    mkdirSync(workspace);
    writeFileSync(join(workspace, 'counter.js'), program);
    // On the device it lies elsewhere: it is recognised by what is in it.
    await fixture.on('alpha', ['sh', '-c', 'mkdir -p /srv/app && cat > /srv/app/counter.js'], {
      input: program,
    });
    id = await fixture.start('alpha', 'counter', ['node', '/srv/app/counter.js']);
    session = await VsCodeSession.open({
      vsix: [vsix],
      folder: workspace,
      env: { HOME: folder, FLICK_HOME: fixture.lab.flickHome },
    });
    debugging = new Debugging(session.page);
  });
  afterEach(async function () {
    await session?.keepFailure(this.currentTest);
  });
  after(async () => {
    await session?.close();
    if (fixture !== undefined) {
      await endProcesses(processesWith('FLICK_HOME', fixture.lab.flickHome), 0);
      await fixture.down();
    }
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  const devices = () => session.workbench.tree('Devices');

  async function lastTotal(): Promise<number> {
    return Number([...(await fixture.logs(id)).matchAll(/total is (\d+)/g)].at(-1)?.[1]);
  }

  async function openProgram(): Promise<void> {
    await session.host(async (code) => {
      const [workspace] = code.workspace.workspaceFolders ?? [];
      if (workspace === undefined) throw new Error('no folder is open');
      const uri = code.Uri.joinPath(workspace.uri, 'counter.js');
      await code.window.showTextDocument(await code.workspace.openTextDocument(uri));
    });
  }

  it('attaches to a process that runs on a device, from the tree', async () => {
    await session.workbench.openContainer('Flick');
    await devices().row({ label: 'counter', under: 'alpha' }, 60_000);
    // Rows still come while devices connect: VS Code gives a click on one that is drawn anew to nobody.
    for (const name of ['alpha', 'alpha-dev', 'beta', 'beta-dev']) {
      const connected = async (): Promise<boolean> =>
        (await devices().row(name)).description.startsWith('CRIU');
      await waitFor(`${name} to be connected`, connected, 60_000);
    }
    await devices().inlineAction({ label: 'counter', under: 'alpha' }, 'Debug Process');
    await waitFor('the session', () =>
      session.host((code) => code.debug.activeDebugSession?.type === 'flick'),
    );
  });

  it('stops at a breakpoint that was set by clicking beside the line', async () => {
    await openProgram();
    await debugging.clickGutter(5);
    await debugging.waitForLine('total += step');
    await debugging.expand('Local');
    const variables = await waitFor('the variables', async () => {
      const rows = await debugging.rows('Variables');
      return rows.some((row) => /step\s*[=:]\s*1/.test(row)) ? rows : undefined;
    });
    assert.ok(variables.some((row) => /before/.test(row)));
    await session.screenshot('flick-debug-stopped');
  });

  it('edits a variable in the Variables view', async () => {
    await debugging.setVariable('step', '1000');
    await session.screenshot('flick-debug-edited');
  });

  it('stays at the same line while the process is dragged to another device', async () => {
    const { dialog, notifications } = session.workbench;
    await session.workbench.openContainer('Flick');
    await devices().drag({ label: 'counter', under: 'alpha' }, 'beta', async () => {
      await session.screenshot('flick-debug-dragging');
    });
    await dialog.waitFor('Move counter from alpha to beta?', 30_000);
    await dialog.press('Move');
    await notifications.waitFor(/counter now runs on beta/, 60_000);
    await debugging.waitForLine('total += step');
    await session.screenshot('flick-debug-moved');
  });

  it('takes the next step on the other device, with the edited value', async () => {
    await openProgram();
    await session.page.keyboard.press('F10');
    await debugging.waitForLine("console.log('total is ' + total)");
    await session.workbench.openContainer('Run and Debug');
    await waitFor('the variables there', async () =>
      (await debugging.rows('Variables')).some((row) => /step\s*[=:]\s*1000/.test(row)),
    );
    await session.screenshot('flick-debug-stepped');
    await openProgram();
    await debugging.clickGutter(5);
    await session.page.keyboard.press('F5');
    await debugging.waitUntilRunning();
    const total = await waitFor('the sum in the program’s output', async () => {
      const last = await lastTotal();
      return last > 1000 ? last : undefined;
    });
    assert.ok(total < 2000, `the total is ${total}`);
    assert.equal((await fixture.find(id))?.device, 'beta');
    await session.screenshot('flick-debug-running');
  });

  it('leaves the process running when the debugger is disconnected', async () => {
    // What Shift+F5 does in a session that was attached.
    await session.host((code) => code.commands.executeCommand('workbench.action.debug.disconnect'));
    await waitFor('the end of the session', () =>
      session.host((code) => code.debug.activeDebugSession === undefined),
    );
    const before = await lastTotal();
    await waitFor('the program to go on', async () => (await lastTotal()) > before);
  });

  it('lets VS Code’s own JavaScript debugger keep its stop over a move', async () => {
    const served = spawn(
      process.execPath,
      [join(root, 'dist/cli.cjs'), 'debug-url', id, '--json'],
      {
        env: { ...process.env, FLICK_HOME: fixture.lab.flickHome },
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    try {
      const websocketAddress = await urlOf(served);
      const started = await session.host(async (code, address) => {
        const [workspace] = code.workspace.workspaceFolders ?? [];
        if (workspace === undefined) throw new Error('no folder is open');
        const uri = code.Uri.joinPath(workspace.uri, 'counter.js');
        const location = new code.Location(uri, new code.Position(4, 0));
        code.debug.addBreakpoints([new code.SourceBreakpoint(location)]);
        return code.debug.startDebugging(workspace, {
          type: 'node',
          request: 'attach',
          name: 'js-debug',
          websocketAddress: address,
          localRoot: workspace.uri.fsPath,
          remoteRoot: '/srv/app',
        });
      }, websocketAddress);
      assert.equal(started, true);
      await openProgram();
      await debugging.waitForLine('total += step');
      await fixture.move(id, 'alpha');
      assert.equal((await fixture.find(id))?.device, 'alpha');
      await session.page.keyboard.press('F10');
      await debugging.waitForLine("console.log('total is ' + total)");
      await session.screenshot('flick-js-debug-moved');
      const before = await lastTotal();
      await session.host((code) => {
        code.debug.removeBreakpoints(code.debug.breakpoints);
      });
      await debugging.continueUntilRunning();
      await waitFor('the program to go on', async () => (await lastTotal()) > before);
      await session.host((code) =>
        code.commands.executeCommand('workbench.action.debug.disconnect'),
      );
    } finally {
      served.kill('SIGINT');
    }
  });
});

async function urlOf(served: ChildProcess): Promise<string> {
  let text = '';
  for (;;) {
    const [chunk] = (await once(served.stdout ?? served, 'data')) as [Buffer];
    text += chunk.toString('utf8');
    const url = /"url": "(ws:[^"]+)"/.exec(text)?.[1];
    if (url !== undefined) return url;
  }
}
