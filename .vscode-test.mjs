// The suites that run inside the extension host. One configuration for two hosts: Electron, by
// `npx vscode-test`, where VS Code can be downloaded, and the VS Code server, by
// test/e2e/extensionHost.test.ts.
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from '@vscode/test-cli';
import { buildExtensionHostTests } from './scripts/buildExtensionHostTests.mjs';

const { suites, reporter, workspace, home } = await buildExtensionHostTests();
const report = process.env['FLICK_TEST_REPORT'];

export default defineConfig({
  label: 'extension-host',
  files: suites,
  // The oldest one that `engines` allows; `stable` for the newest.
  version: process.env['FLICK_TEST_VSCODE'] ?? '1.100.0',
  extensionDevelopmentPath: dirname(fileURLToPath(import.meta.url)),
  workspaceFolder: workspace,
  env: {
    FLICK_HOME: process.env['FLICK_TEST_HOME'] ?? home,
    ...(report === undefined ? {} : { FLICK_TEST_REPORT: report }),
  },
  mocha: { ui: 'bdd', timeout: 30_000, ...(report === undefined ? {} : { reporter }) },
  launchArgs: [
    ...['--disable-extensions', '--disable-workspace-trust', '--disable-gpu'],
    ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
  ],
});
