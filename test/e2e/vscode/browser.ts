import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import type { VsCodeServer } from './server.ts';

/** The path of chromium or Chrome, from `CHROMIUM` or the search path; undefined where there is none. */
export function findChromium(): string | undefined {
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const candidates = [
    ...(process.env['CHROMIUM'] === undefined ? [] : [process.env['CHROMIUM']]),
    ...folders.flatMap((folder) => names.map((name) => join(folder, name))),
  ];
  return candidates.find((file) => existsSync(file));
}

/** Starts a headless chromium that can resolve no name but loopback's. */
export async function openBrowser(): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error('chromium is not installed');
  return chromium.launch({
    executablePath,
    headless: true,
    args: [
      ...['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
      ...['--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'],
      '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost',
      // chromium's sandbox refuses to run as root.
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
    ],
  });
}

export interface WorkbenchTarget {
  /** The folder that the workbench opens. */
  readonly folder: string;
  /** Folders of extensions under development. */
  readonly extensions?: readonly string[];
  /** A module whose `run` the extension host calls; the workbench then shows no modal dialogs. */
  readonly tests?: string;
}

/**
 * Opens the workbench of a server in a page.
 *
 * Extensions under development go into the configuration that the workbench reads from its page. The documented way,
 * `?payload=`, works only with `--enable-smoke-test-driver`, which switches notifications off; and a page rewritten by
 * a route loses its loopback address, so that chromium's check of local network access refuses its WebSocket.
 */
export async function openWorkbench(
  page: Page,
  server: VsCodeServer,
  target: WorkbenchTarget,
): Promise<void> {
  const uri = (path: string): object => ({
    $mid: 1,
    scheme: 'vscode-remote',
    authority: `127.0.0.1:${server.port}`,
    path,
  });
  // tsx wraps named functions in calls of this helper, which functions sent to the page have lost.
  await page.addInitScript('globalThis.__name = (target) => target;');
  await page.addInitScript(addDevelopmentOptions, {
    extensions: (target.extensions ?? []).map(uri),
    ...(target.tests === undefined ? {} : { extensionTestsPath: uri(target.tests) }),
  });
  // The front end that has this route keeps the key of the browser's SecretStorage. Without it, secrets end with the
  // page; here they live as long as the browser's context does.
  await page.route(
    (url) => url.pathname.endsWith('/mint-key'),
    (route) =>
      route.fulfill({ contentType: 'application/octet-stream', body: Buffer.alloc(32, 7) }),
  );
  const query = new URLSearchParams({ tkn: server.token, folder: target.folder });
  await page.goto(`http://127.0.0.1:${server.port}/?${query.toString()}`);
}

/** Runs in the page. */
function addDevelopmentOptions(options: object): void {
  interface PageElement {
    readonly id: string;
    getAttribute(this: PageElement, name: string): string | null;
  }
  const { Element } = globalThis as unknown as { Element: { prototype: PageElement } };
  const original = Element.prototype.getAttribute;
  Element.prototype.getAttribute = function (name) {
    const text = original.call(this, name);
    const wanted = name === 'data-settings' && this.id === 'vscode-workbench-web-configuration';
    if (!wanted || text === null) return text;
    const settings = JSON.parse(text) as { developmentOptions?: object };
    const developmentOptions = { ...settings.developmentOptions, ...options };
    return JSON.stringify({ ...settings, developmentOptions });
  };
}
