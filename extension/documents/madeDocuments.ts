import * as vscode from 'vscode';
import type { Disposable } from '../../common/disposable.ts';
import { documentScheme } from '../ids.ts';

/** Read-only documents whose text the extension makes: reports and logs. Closing one forgets its text. */
export class MadeDocuments implements vscode.TextDocumentContentProvider, Disposable {
  readonly #texts = new Map<string, string>();
  readonly #changed = new vscode.EventEmitter<vscode.Uri>();
  readonly #registrations: vscode.Disposable;
  readonly onDidChange = this.#changed.event;

  constructor() {
    this.#registrations = vscode.Disposable.from(
      this.#changed,
      vscode.workspace.registerTextDocumentContentProvider(documentScheme, this),
      vscode.workspace.onDidCloseTextDocument((document) => {
        if (document.uri.scheme === documentScheme) this.#texts.delete(document.uri.toString());
      }),
    );
  }

  provideTextDocumentContent(uri: vscode.Uri): string {
    return this.#texts.get(uri.toString()) ?? '';
  }

  /** Sets the text of the document at `path` (its last part is the tab's title), open or not. */
  set(path: string, text: string): vscode.Uri {
    const uri = vscode.Uri.from({ scheme: documentScheme, path: `/${path}` });
    this.#texts.set(uri.toString(), text);
    this.#changed.fire(uri);
    return uri;
  }

  async show(path: string, text: string): Promise<void> {
    const document = await vscode.workspace.openTextDocument(this.set(path, text));
    await vscode.window.showTextDocument(document, { preview: true });
  }

  /** Shows Markdown rendered where VS Code's own preview is there, as text where it is not. */
  async showMarkdown(path: string, text: string): Promise<void> {
    const uri = this.set(path, text);
    const document = await vscode.workspace.openTextDocument(uri);
    try {
      await vscode.commands.executeCommand('markdown.showPreview', uri);
    } catch {
      await vscode.window.showTextDocument(document, { preview: true });
    }
  }

  dispose(): void {
    this.#registrations.dispose();
    this.#texts.clear();
  }
}
