import * as vscode from 'vscode';
import { awayScheme } from '../ids.ts';
import { colors } from '../model/rows.ts';

/** Greys the rows that carry an away URI: their device does not answer, they show what was last known. */
export function registerAwayDecorations(): vscode.Disposable {
  const color = new vscode.ThemeColor(colors.away);
  return vscode.window.registerFileDecorationProvider({
    provideFileDecoration: (uri) => (uri.scheme === awayScheme ? { color } : undefined),
  });
}

export function awayUri(elementId: string): vscode.Uri {
  return vscode.Uri.from({ scheme: awayScheme, path: `/${elementId}` });
}
