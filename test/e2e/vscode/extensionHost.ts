import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { root } from '../../support/provisioned.ts';
import { openBrowser, openWorkbench } from './browser.ts';
import { endProcesses, processesWith } from './processes.ts';
import { startServer } from './server.ts';

/** One line of the report that the suites write; `end` is the last one of a run that was not broken off. */
export type HostResult =
  | { readonly state: 'passed' | 'skipped'; readonly title: string }
  | { readonly state: 'failed'; readonly title: string; readonly reason: string }
  | { readonly state: 'end' };

export interface HostRun {
  readonly results: readonly Exclude<HostResult, { readonly state: 'end' }>[];
  /** What kept the run from its end; undefined for a run that ended, with whatever results. */
  readonly brokenOff: string | undefined;
}

export interface HostRunOptions {
  readonly host: 'server' | 'electron';
  /** Runs only the tests whose title contains this. */
  readonly grep?: string;
  readonly timeoutMs?: number;
}

const testCli = join(root, 'node_modules', '@vscode', 'test-cli', 'out', 'bin.mjs');

/** Runs the suites of test/extension-host inside a real extension host, as .vscode-test.mjs says. */
export async function runExtensionHost(options: HostRunOptions): Promise<HostRun> {
  const folder = mkdtempSync(join(tmpdir(), 'flick-extension-host-'));
  const report = join(folder, 'report.jsonl');
  const home = join(folder, 'home');
  try {
    const args = options.grep === undefined ? [] : ['--grep', options.grep];
    const failure =
      options.host === 'electron'
        ? await runInElectron({ report, home, args })
        : await runInServer({ report, home, args }, options.timeoutMs ?? 180_000);
    const lines = existsSync(report) ? readFileSync(report, 'utf8').trim().split('\n') : [];
    const results = lines
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as HostResult);
    const ended = results.some(({ state }) => state === 'end');
    const failed = results.some(({ state }) => state === 'failed');
    // The exit status says nothing beyond the results when those tell of a failure.
    const brokenOff = ended && (failed || failure === undefined) ? undefined : failure;
    return {
      results: results.filter((result) => result.state !== 'end'),
      brokenOff: ended ? brokenOff : (failure ?? 'the run left no last line'),
    };
  } finally {
    // An agent that the extension started would stay for a day.
    await endProcesses(processesWith('FLICK_HOME', home), 0);
    rmSync(folder, { recursive: true, force: true });
  }
}

interface TestCliRun {
  readonly report: string;
  readonly home: string;
  readonly args: readonly string[];
}

async function runInElectron(run: TestCliRun): Promise<string | undefined> {
  const { code, output } = await testCliRun(run);
  return code === 0 ? undefined : `exit status ${code}: ${output.slice(-3000)}`;
}

/** The part of a configuration that `vscode-test --list-configuration` prints and the server needs. */
interface ListedConfiguration {
  readonly config: { readonly workspaceFolder: string; readonly env?: Record<string, string> };
  readonly extensionTestsPath: string;
  readonly extensionDevelopmentPath: string | readonly string[];
  readonly env: Record<string, string>;
}

async function runInServer(run: TestCliRun, timeoutMs: number): Promise<string | undefined> {
  const args = ['--list-configuration', ...run.args];
  const { code, output } = await testCliRun({ ...run, args });
  if (code !== 0) return `Failed to read .vscode-test.mjs: ${output}`;
  const [listed] = JSON.parse(output) as ListedConfiguration[];
  if (listed === undefined) return '.vscode-test.mjs has no configuration';
  const server = await startServer({ env: { ...listed.env, ...listed.config.env } });
  let timer: NodeJS.Timeout | undefined;
  let browser: Browser | undefined;
  try {
    browser = await openBrowser();
    const page = await browser.newPage();
    const said: string[] = [];
    await page.exposeFunction('codeAutomationLog', (_level: string, texts: readonly unknown[]) => {
      said.push(texts.map(String).join(' '));
    });
    // The workbench calls this with the exit status when the suites have ended.
    const exited = new Promise<number>((resolve) => {
      void page.exposeFunction('codeAutomationExit', resolve);
    });
    const broken = new Promise<string>((resolve) => {
      page.on('crash', () => resolve('the window crashed'));
      void server.ended.then(() => resolve(`the server ended: ${server.output().slice(-3000)}`));
    });
    const late = new Promise<string>((resolve) => {
      timer = setTimeout(resolve, timeoutMs, `no end after ${timeoutMs / 1000} s`);
    });
    await openWorkbench(page, server, {
      folder: listed.config.workspaceFolder,
      extensions: [listed.extensionDevelopmentPath].flat(),
      tests: listed.extensionTestsPath,
    });
    const outcome = await Promise.race([exited, broken, late]);
    if (outcome === 0) return undefined;
    const reason = typeof outcome === 'string' ? outcome : `exit status ${outcome}`;
    return [reason, ...said.slice(-20)].join('\n');
  } finally {
    clearTimeout(timer);
    await browser?.close();
    await server.stop();
  }
}

function testCliRun({
  report,
  home,
  args,
}: TestCliRun): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [testCli, ...args], {
      cwd: root,
      env: { ...process.env, FLICK_TEST_REPORT: report, FLICK_TEST_HOME: home },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (errors += chunk));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output: code === 0 ? output : output + errors }));
  });
}
