import assert from 'node:assert/strict';
import { join } from 'node:path';
import { requireVsCode, VsCodeSession } from './vscode/session.ts';

describe('the VS Code under test', function () {
  this.timeout(120_000);
  let session: VsCodeSession;

  before(async function () {
    requireVsCode(this);
    session = await VsCodeSession.open({ extensions: [join(import.meta.dirname, 'fixture')] });
    await session.extensionActive('flick.harness-fixture');
  });
  afterEach(async function () {
    await session?.keepFailure(this.currentTest);
  });
  after(async () => {
    await session?.close();
  });

  it('shows a tree with its rows, tooltips and badge', async () => {
    const { workbench } = session;
    await workbench.openContainer('Fixture');
    const tree = workbench.tree('Shelves');
    assert.deepEqual(await tree.row({ label: 'cup', under: 'Lower' }), {
      label: 'cup',
      description: 'thing',
      level: 2,
      selected: false,
      expanded: undefined,
    });
    await tree.waitForChildren('Upper', ['cup', 'jug']);
    assert.match(await tree.tooltip('pan'), /pan of the fixture/);
    assert.equal(await workbench.badge('Fixture'), '4');
    await workbench.statusBar('fixture idle');
  });

  it('drags one row and several rows with the mouse', async () => {
    const { workbench } = session;
    const tree = workbench.tree('Shelves');
    const hover = (name: string) => async () => void (await session.screenshot(name));
    await tree.drag('jug', 'Lower', hover('harness-drag-one'));
    await tree.row({ label: 'jug', under: 'Lower' });
    assert.deepEqual(await workbench.notifications.buttons('Dropped 1'), ['Undo', 'Keep']);
    await workbench.notifications.press('Dropped 1', 'Keep');
    await workbench.notifications.waitUntilGone('Dropped 1');

    const rows = [{ label: 'cup', under: 'Lower' }, 'jug'];
    await tree.drag(rows, 'Upper', hover('harness-drag-two'));
    await workbench.notifications.waitFor('Dropped 2');
    await tree.waitForChildren('Upper', ['cup', 'cup', 'jug']);
    const drops = await session.host((code) => {
      const exports: unknown = code.extensions.getExtension('flick.harness-fixture')?.exports;
      return (exports as { readonly drops: readonly string[] }).drops;
    });
    assert.deepEqual(drops, ['Upper/jug -> Lower', 'Lower/cup -> Upper', 'Lower/jug -> Upper']);
    await workbench.notifications.press('Dropped 2', 'Keep');
  });

  it('opens context menus and presses inline actions', async () => {
    const { notifications } = session.workbench;
    const tree = session.workbench.tree('Shelves');
    await tree.contextMenu('pan', 'Greet');
    await notifications.waitFor('Hello, pan');
    await tree.inlineAction('jug', 'Greet');
    await notifications.waitFor('Hello, jug');
    await session.host((code) => code.commands.executeCommand('notifications.clearAll'));
    await notifications.waitUntilGone('Hello');
  });

  it('follows progress and cancels it', async () => {
    const { notifications } = session.workbench;
    await session.workbench.command('Fixture: Work Slowly');
    assert.match(await notifications.waitFor(/Working.*step \d+/), /step \d+/);
    await notifications.press('Working', 'Cancel');
    await notifications.waitUntilGone('Working');
    await session.workbench.statusBar('fixture cancelled');
  });

  it('answers modal dialogs, quick picks and input boxes', async () => {
    const { dialog, quickInput } = session.workbench;
    const answer = session.host((code) =>
      code.window.showWarningMessage('Move it?', { modal: true, detail: 'It pauses.' }, 'Move'),
    );
    const shown = await dialog.waitFor('Move it?');
    assert.deepEqual(shown, {
      message: 'Move it?',
      detail: 'It pauses.',
      buttons: ['Cancel', 'Move'],
    });
    await dialog.press('Move');
    assert.equal(await answer, 'Move');

    const picked = session.host((code) => code.window.showQuickPick(['alpha', 'beta']));
    await quickInput.waitFor();
    assert.deepEqual(await quickInput.items(), ['alpha', 'beta']);
    await quickInput.pick('beta');
    assert.equal(await picked, 'beta');

    const typed = session.host((code) => code.window.showInputBox({ prompt: 'Address' }));
    await quickInput.waitFor('Address');
    await quickInput.fill('dev@alpha');
    assert.equal(await typed, 'dev@alpha');
  });

  it('reads and types in a terminal', async () => {
    const { terminal } = session.workbench;
    await session.workbench.command('Fixture: Open Terminal');
    await terminal.waitFor('fixture ready');
    await terminal.typeLine('hi');
    assert.match(await terminal.waitFor('<CR>'), /fixture ready\n<h><i><CR>/);
    await session.screenshot('harness-terminal');
  });

  it('survives a reload of the window', async () => {
    await session.reload();
    await session.extensionActive('flick.harness-fixture');
    await session.workbench.openContainer('Fixture');
    // Things moved before the reload are back: the extension host is another one.
    await session.workbench.tree('Shelves').row({ label: 'jug', under: 'Upper' });
  });
});
