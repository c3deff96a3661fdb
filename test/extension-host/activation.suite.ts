import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { commandIds, settingIds, viewIds } from '../../extension/ids.ts';

function flick(): vscode.Extension<unknown> {
  const extension = vscode.extensions.getExtension('flick.flick');
  assert.ok(extension !== undefined, 'flick.flick is not installed');
  return extension;
}

describe('activation', () => {
  it('succeeds', async () => {
    await flick().activate();
    assert.equal(flick().isActive, true);
  });

  it('registers every command that the manifest declares', async () => {
    const registered = new Set(await vscode.commands.getCommands(true));
    assert.deepEqual(
      commandIds.filter((id) => !registered.has(id)),
      [],
    );
  });

  it('registers every view, so that each can take the focus', async () => {
    const registered = new Set(await vscode.commands.getCommands(true));
    assert.deepEqual(
      viewIds.filter((id) => !registered.has(`${id}.focus`)),
      [],
    );
  });

  it('gives every setting a default', () => {
    const unset = settingIds.filter(
      (id) => vscode.workspace.getConfiguration().inspect(id)?.defaultValue === undefined,
    );
    assert.deepEqual(unset, []);
  });

  it('translates every text of its manifest', () => {
    assert.doesNotMatch(JSON.stringify(flick().packageJSON), /"%[\w.]+%"/);
  });
});
