import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Lab } from '../lab/lab.ts';
import { skip } from '../support/skip.ts';
import { endProcesses, processesWith } from './vscode/processes.ts';
import { packExtension } from './vscode/packager.ts';
import { requireVsCode, VsCodeSession } from './vscode/session.ts';
import { waitFor } from './vscode/wait.ts';

/** Counts for ever in memory and answers `+` by adding a thousand: only the very same process knows its number. */
const counter = [
  'let n = 0;',
  'setInterval(() => console.log("count " + ++n), 300);',
  'process.stdin.on("data", (d) => { if (String(d).includes("+")) n += 1000; });',
].join(' ');

describe('the extension in VS Code', function () {
  this.timeout(180_000);
  let session: VsCodeSession;
  let lab: Lab;
  let folder: string;
  let savedAt = 0;

  before(async function () {
    requireVsCode(this);
    if (process.getuid?.() !== 0) skip(this, 'test devices need root');
    folder = mkdtempSync(join(tmpdir(), 'flick-extension-'));
    const vsix = join(folder, 'flick.vsix');
    packExtension(this, vsix);
    // A home of its own for the window: the devices are added by hand, as a person would.
    const home = join(folder, 'home');
    mkdirSync(home);
    lab = await Lab.up(['alpha', 'beta'], {
      flickHome: join(folder, 'lab-flick'),
      labHome: join(folder, 'lab'),
    });
    session = await VsCodeSession.open({
      vsix: [vsix],
      env: { HOME: home, FLICK_HOME: join(folder, 'flick') },
    });
  });
  afterEach(async function () {
    await session?.keepFailure(this.currentTest);
  });
  after(async () => {
    await session?.close();
    await lab?.down();
    // The agent of this machine would stay for a day.
    if (folder !== undefined)
      await endProcesses(processesWith('FLICK_HOME', join(folder, 'flick')), 0);
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  const devices = () => session.workbench.tree('Devices');
  async function addDevice(name: string): Promise<void> {
    const { quickInput, dialog } = session.workbench;
    await session.workbench.command('Flick: Add Device…');
    await quickInput.waitFor('Add Device: Address');
    await quickInput.fill(`root@${lab.device(name).address}`);
    await quickInput.waitFor('Add Device: Name');
    await quickInput.fill(name);
    await quickInput.waitFor('Add Device: Key');
    await quickInput.pick('Choose a Key File');
    await quickInput.waitFor('Add Device: Key File');
    await quickInput.fill(lab.identity);
    const asked = await dialog.waitFor(lab.device(name).address);
    assert.match(asked.detail, /SHA256:/);
    if (name === 'alpha') await session.screenshot('flick-host-key');
    await dialog.press('Trust and Connect');
  }

  it('welcomes while there are no devices', async () => {
    await session.workbench.openContainer('Flick');
    assert.match(await session.workbench.welcome(), /moves a running process/);
    await session.screenshot('flick-welcome');
  });

  it('adds devices over SSH, asking about their host keys', async () => {
    for (const name of ['alpha', 'beta']) await addDevice(name);
    for (const name of ['alpha', 'beta']) {
      const row = await waitFor(
        `${name} to be connected`,
        async () => {
          const shown = await devices().row(name);
          return shown.description.startsWith('CRIU') ? shown : undefined;
        },
        60_000,
      );
      assert.match(row.description, /CRIU \d/);
    }
    assert.match(await devices().tooltip('alpha'), /Memory/);
    await session.screenshot('flick-devices');
  });

  it('runs a command with a terminal', async () => {
    const { quickInput, terminal } = session.workbench;
    await devices().inlineAction('alpha', 'Run Command on Device');
    await quickInput.waitFor('Run Command on alpha');
    await quickInput.fill(`node -e '${counter}'`);
    await terminal.waitFor(/count \d+/, 30_000);
    await terminal.typeLine('+');
    await terminal.waitFor(/count 1\d\d\d/);
    await devices().row({ label: 'node', under: 'alpha' });
    await waitFor('the badge', async () => (await session.workbench.badge('Flick')) === '1');
    await session.screenshot('flick-running');
  });

  it('moves the process when it is dragged onto another device; the terminal goes on', async () => {
    const { dialog, notifications, terminal } = session.workbench;
    await devices().drag({ label: 'node', under: 'alpha' }, 'beta', async () => {
      await session.screenshot('flick-dragging');
    });
    const asked = await dialog.waitFor('Move node from alpha to beta?', 30_000);
    assert.match(asked.detail, /paused for about/);
    await session.screenshot('flick-confirm');
    await dialog.press('Move');
    await notifications.waitFor(/node now runs on beta\. It was paused for/, 60_000);
    await session.screenshot('flick-moved');
    const row = await devices().row({ label: 'node', under: 'beta' });
    assert.equal(row.selected, true);
    await devices().waitUntilGone({ label: 'node', under: 'alpha' });
    const before = lastCount(await terminal.text());
    assert.ok(before > 1000, `the count went on from ${String(before)}`);
    await terminal.typeLine('+');
    await terminal.waitFor(/count 2\d\d\d/, 20_000);
    await session.screenshot('flick-terminal-after-move');
  });

  it('moves it back with the keyboard', async () => {
    const { dialog, notifications, quickInput, terminal } = session.workbench;
    await session.host((code) => code.commands.executeCommand('notifications.clearAll'));
    await session.workbench.command('Flick: Move Process to Device…');
    await quickInput.waitFor('Move Process to Device');
    await quickInput.pickMany(['node']);
    await quickInput.pick('alpha');
    await dialog.waitFor('Move node from beta to alpha?', 30_000);
    await dialog.press('Move');
    await notifications.waitFor(/node now runs on alpha/, 60_000);
    await devices().row({ label: 'node', under: 'alpha' });
    const arrived = lastCount(await terminal.text());
    assert.ok(arrived > 2000, `the count is ${String(arrived)}`);
    const counting = async (): Promise<boolean> => lastCount(await terminal.text()) > arrived;
    await waitFor('the count to go on', counting);
  });

  it('saves a capsule of it, which appears below its device', async () => {
    const { notifications, quickInput, terminal } = session.workbench;
    await session.host((code) => code.commands.executeCommand('notifications.clearAll'));
    await devices().contextMenu('node', 'Save Capsule…');
    await quickInput.waitFor('Save Capsule');
    savedAt = lastCount(await terminal.text());
    await quickInput.fill('halfway');
    await notifications.waitFor(/node is saved as halfway on alpha\. It paused for/, 60_000);
    await devices().expand({ label: 'Capsules', under: 'alpha' });
    await devices().row({ label: 'halfway', under: 'Capsules' });
    await session.screenshot('flick-capsule');
  });

  it('shows the doctor’s findings', async () => {
    await session.host((code) => code.commands.executeCommand('notifications.clearAll'));
    await session.workbench.command('Flick: Doctor');
    await waitFor('the report', async () =>
      (await session.workbench.editors()).some((title) => title.includes('Flick Doctor')),
    );
    await session.screenshot('flick-doctor');
  });

  it('stops the process after asking, and says how it ended', async () => {
    const { dialog, terminal } = session.workbench;
    await devices().contextMenu('node', 'Stop Process…');
    await dialog.waitFor('Stop node?');
    await dialog.press('Stop');
    await terminal.waitFor(/node was ended by SIGTERM/, 20_000);
    const ended = async (): Promise<boolean> =>
      (await devices().row('node')).description.includes('SIGTERM');
    await waitFor('the row to say so', ended);
    await devices().inlineAction('node', 'Forget Process');
    await devices().waitUntilGone('node');
  });

  it('restores it from its capsule, with all that it knew, and removes the capsule', async () => {
    const { dialog, notifications, terminal } = session.workbench;
    await devices().contextMenu('halfway', 'Restore Capsule');
    await notifications.waitFor(/node runs again on alpha/, 60_000);
    await devices().row({ label: 'node', under: 'alpha' });
    await notifications.press(/node runs again on alpha/, 'Open Terminal');
    await terminal.waitFor(/count \d+/, 20_000);
    const counting = async (): Promise<boolean> => lastCount(await terminal.text()) > savedAt;
    await waitFor('the count to go on from the capsule', counting);
    await session.screenshot('flick-capsule-restored');
    await devices().contextMenu('halfway', 'Remove Capsule…');
    await dialog.waitFor('Remove halfway?');
    await dialog.press('Remove');
    await devices().waitUntilGone('halfway');
    await devices().contextMenu('node', 'Stop Process…');
    await dialog.waitFor('Stop node?');
    await dialog.press('Stop');
    await terminal.waitFor(/node was ended by SIGTERM/, 20_000);
  });

  it('greys a device that lost its power, and keeps trying', async () => {
    await lab.kill('beta');
    const away = async (): Promise<boolean> =>
      /unreachable|connecting/.test((await devices().row('beta')).description);
    await waitFor('beta to be away', away, 60_000);
    await session.screenshot('flick-away');
  });

  it('says that a device was restarted, once it is back', async () => {
    await lab.boot('beta');
    await session.workbench.notifications.waitFor('beta was restarted', 90_000);
    await session.screenshot('flick-restarted');
  });
});

function lastCount(text: string): number {
  return Number([...text.matchAll(/count (\d+)/g)].at(-1)?.[1]);
}
