import { mkdirSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import type * as vscode from 'vscode';
import { requireProvisioned } from '../../support/provisioned.ts';
import { skip } from '../../support/skip.ts';
import { findChromium, openBrowser, openWorkbench } from './browser.ts';
import { takeScreenshot } from './screenshots.ts';
import { startServer, type ServerOptions, type VsCodeServer } from './server.ts';
import { patienceMs, waitFor } from './wait.ts';
import { Workbench } from './workbench.ts';

export type VsCode = typeof vscode;

export interface SessionOptions extends ServerOptions {
  /** The folder to open; an empty temporary one where none is given. */
  readonly folder?: string;
  /** Folders of extensions under development. */
  readonly extensions?: readonly string[];
}

const viewport = { width: 1280, height: 800 };

/** Skips the tests of a suite where a real VS Code cannot run. */
export function requireVsCode(context: Mocha.Context): void {
  requireProvisioned(context, 'node24');
  requireProvisioned(context, 'vscode');
  if (findChromium() === undefined) skip(context, 'chromium is not installed on this machine');
}

/** A real VS Code: its server with an extension host, its window in a browser, and a way into both. */
export class VsCodeSession {
  readonly page: Page;
  readonly server: VsCodeServer;
  readonly workbench: Workbench;
  readonly #browser: Browser;
  readonly #messages: string[] = [];

  private constructor(server: VsCodeServer, browser: Browser, page: Page) {
    this.server = server;
    this.page = page;
    this.workbench = new Workbench(page);
    this.#browser = browser;
    page.on('console', (message) => this.#messages.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => this.#messages.push(`uncaught: ${error.message}`));
  }

  /** Starts everything and waits until the extension host answers. */
  static async open(options: SessionOptions = {}): Promise<VsCodeSession> {
    const server = await startServer(options);
    let browser: Browser | undefined;
    try {
      browser = await openBrowser();
      const page = await (await browser.newContext({ viewport })).newPage();
      const session = new VsCodeSession(server, browser, page);
      const folder = options.folder ?? join(server.folder, 'workspace');
      mkdirSync(folder, { recursive: true });
      const extensions = [...(options.extensions ?? []), join(import.meta.dirname, 'bridge')];
      await openWorkbench(page, server, { folder, extensions });
      await session.#untilReady();
      return session;
    } catch (error) {
      await browser?.close();
      await server.stop();
      throw error;
    }
  }

  /**
   * Calls a function in the extension host. It goes there as text: it sees only its two parameters, and what it gets
   * and gives is JSON.
   * @throws {Error} with the stack of what the function threw
   */
  async host<A, R>(call: (vscode: VsCode, argument: A) => R, argument: A): Promise<Awaited<R>>;
  async host<R>(call: (vscode: VsCode) => R): Promise<Awaited<R>>;
  async host(call: (vscode: VsCode, argument: never) => unknown, argument?: unknown) {
    const body = JSON.stringify({ source: String(call), argument });
    const answer = JSON.parse(await post(this.server.bridge, body)) as HostAnswer;
    if (answer.error !== undefined) throw new Error(`in the extension host: ${answer.error}`);
    return answer.value;
  }

  /** Waits until an extension, named `publisher.name`, is active. */
  async extensionActive(id: string): Promise<void> {
    const active = (): Promise<boolean> =>
      this.host((code, wanted) => code.extensions.getExtension(wanted)?.isActive === true, id);
    await waitFor(`the extension ${id} to be active`, active);
  }

  /** Loads the window again, as `Developer: Reload Window` does: the extension host starts afresh. */
  async reload(): Promise<void> {
    await this.host(() => void Object.assign(globalThis, { beforeReload: true }));
    await this.page.reload();
    await this.#untilReady();
    const fresh = (): Promise<boolean> => this.host(() => !('beforeReload' in globalThis));
    await waitFor('the extension host to start again', fresh);
  }

  /** A picture of the window: `test-output/screenshots/NN-name.png`. */
  screenshot(name: string): Promise<string> {
    return takeScreenshot(this.page, name);
  }

  /** Keeps what helps to understand a failed test; for a suite's `afterEach`. */
  async keepFailure(test: Mocha.Test | undefined): Promise<void> {
    if (test?.state !== 'failed') return;
    const path = await takeScreenshot(this.page, `FAILED ${test.title}`);
    const log = [this.server.output(), ...this.#messages.slice(-200)].join('\n');
    writeFileSync(path.replace(/png$/, 'log'), log);
  }

  /** Ends the browser and the server, and removes what they kept. */
  async close(): Promise<void> {
    try {
      await this.#browser.close();
    } finally {
      await this.server.stop();
    }
  }

  async #untilReady(): Promise<void> {
    await this.page.locator('.monaco-workbench').waitFor({ timeout: 2 * patienceMs });
    await waitFor('the extension host', () => this.host(() => true), 2 * patienceMs);
  }
}

interface HostAnswer {
  readonly value?: unknown;
  readonly error?: string;
}

function post(socketPath: string, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, method: 'POST' }, (response) => {
      let answer = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk));
      response.on('end', () => resolve(answer)).on('error', reject);
    });
    sent.on('error', reject).end(body);
  });
}
