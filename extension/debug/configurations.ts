import { extname } from 'node:path';
import * as vscode from 'vscode';
import { debugType } from '../ids.ts';
import { l10n } from '../l10n.ts';
import { entryPointOf } from './entryPoint.ts';

const runnable = new Set(['.js', '.cjs', '.mjs']);

/** Completes and checks launch configurations, also those that nobody wrote: F5 in a folder with a package.json. */
export class ConfigurationProvider implements vscode.DebugConfigurationProvider {
  async provideDebugConfigurations(
    folder: vscode.WorkspaceFolder | undefined,
  ): Promise<vscode.DebugConfiguration[]> {
    const launch = await guess(folder);
    return launch === undefined ? [] : [launch];
  }

  async resolveDebugConfiguration(
    folder: vscode.WorkspaceFolder | undefined,
    configuration: vscode.DebugConfiguration,
  ): Promise<vscode.DebugConfiguration | undefined | null> {
    const isEmpty = !configuration.type && !configuration.request && !configuration.name;
    if (!isEmpty) return configuration;
    const launch = await guess(folder);
    if (launch !== undefined) return launch;
    void vscode.window.showErrorMessage(
      l10n.t(
        'Flick does not know what to run: the folder’s package.json names no program, and the open file is no JavaScript. A launch.json can say it.',
      ),
      { modal: true },
    );
    // Opens launch.json.
    return null;
  }

  resolveDebugConfigurationWithSubstitutedVariables(
    folder: vscode.WorkspaceFolder | undefined,
    configuration: vscode.DebugConfiguration,
  ): vscode.DebugConfiguration | undefined | null {
    const problem = problemOf(configuration);
    if (problem !== undefined) {
      void vscode.window.showErrorMessage(problem, { modal: true });
      return null;
    }
    const folders = folder === undefined ? (vscode.workspace.workspaceFolders ?? []) : [folder];
    return { workspaceFolders: folders.map((each) => each.uri.fsPath), ...configuration };
  }
}

/** @returns a sentence for people, or undefined when the configuration can be tried */
function problemOf({ request, program, process }: vscode.DebugConfiguration): string | undefined {
  switch (request) {
    case 'launch':
      return isText(program)
        ? undefined
        : l10n.t('The launch configuration lacks “program”: the JavaScript file to run.');
    case 'attach':
      return isText(process)
        ? undefined
        : l10n.t('The launch configuration lacks “process”: the name or id of a process.');
    default:
      return l10n.t('The launch configuration’s “request” must be “launch” or “attach”.');
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '';
}

async function guess(
  folder: vscode.WorkspaceFolder | undefined,
): Promise<vscode.DebugConfiguration | undefined> {
  const file = vscode.window.activeTextEditor?.document.uri;
  const entry =
    file?.scheme === 'file' && runnable.has(extname(file.fsPath))
      ? { program: file.fsPath, args: [] }
      : folder === undefined
        ? undefined
        : await entryPointOf(folder.uri.fsPath);
  if (entry === undefined) return undefined;
  return {
    type: debugType,
    request: 'launch',
    name: l10n.t('Run with Flick'),
    program: entry.program,
    args: [...entry.args],
    ...(folder === undefined ? {} : { cwd: folder.uri.fsPath }),
  };
}
