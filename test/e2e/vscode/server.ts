import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { provisioned } from '../../support/provisioned.ts';
import { endProcesses, processesOf } from './processes.ts';
import { waitFor } from './wait.ts';

export interface ServerOptions {
  /** Packages to install before the server starts. */
  readonly vsix?: readonly string[];
  /** Added to the environment of the server and so of the extension host. */
  readonly env?: Readonly<Record<string, string>>;
  /** Machine settings, over those of the harness. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** A VS Code server on a loopback port, with a user data folder of its own. */
export interface VsCodeServer {
  readonly port: number;
  /** What a browser must present; the port alone would let every local user run code. */
  readonly token: string;
  /** A temporary folder, removed by `stop`; the server keeps its data in it and tests may keep theirs. */
  readonly folder: string;
  /** The socket of the bridge extension. */
  readonly bridge: string;
  /** What the server has printed so far. */
  readonly output: () => string;
  /** Settles when the server ends, asked or not. */
  readonly ended: Promise<void>;
  readonly stop: () => Promise<void>;
}

const quietSettings = {
  'chat.disableAIFeatures': true,
  'extensions.autoCheckUpdates': false,
  'extensions.autoUpdate': false,
  'git.enabled': false,
  'telemetry.telemetryLevel': 'off',
  // On a canvas the terminal's text would be out of reach of the tests.
  'terminal.integrated.gpuAcceleration': 'off',
  'workbench.colorTheme': 'Default Dark Modern',
  'workbench.enableExperiments': false,
  'workbench.reduceMotion': 'on',
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.startupEditor': 'none',
};

/** Starts a VS Code server; nothing of it reaches beyond loopback and its temporary folder. */
export async function startServer(options: ServerOptions = {}): Promise<VsCodeServer> {
  const folder = mkdtempSync(join(tmpdir(), 'flick-vscode-'));
  const data = join(folder, 'data');
  const extensions = join(folder, 'extensions');
  const token = randomBytes(16).toString('hex');
  mkdirSync(join(data, 'data', 'Machine'), { recursive: true });
  writeFileSync(
    join(data, 'data', 'Machine', 'settings.json'),
    JSON.stringify({ ...quietSettings, ...options.settings }),
  );
  writeFileSync(join(folder, 'token'), token, { mode: 0o600 });
  const bridge = join(folder, 'bridge.sock');
  const env = {
    ...process.env,
    EXTENSIONS_GALLERY: '{}',
    FLICK_TEST_BRIDGE: bridge,
    ...options.env,
  };
  const common = ['--accept-server-license-terms', '--server-data-dir', data];
  const start = (args: readonly string[]): Started =>
    startProcess([...common, '--extensions-dir', extensions, ...args], env);

  for (const file of options.vsix ?? []) {
    const install = start(['--install-extension', file]);
    const code = await install.ended;
    if (code !== 0) throw new Error(`Failed to install ${file}: ${install.output()}`);
  }
  const server = start([
    ...['--host', '127.0.0.1', '--port', '0', '--connection-token-file', join(folder, 'token')],
    ...['--telemetry-level', 'off', '--disable-workspace-trust'],
  ]);
  // A run that is broken off must not leave a server behind.
  const abandon = (): void => void server.child.kill('SIGKILL');
  process.once('exit', abandon);
  const ended = server.ended.then(() => undefined);

  const stop = async (): Promise<void> => {
    // Taken before the server ends: its children have another parent afterwards.
    const family = processesOf(server.child.pid).filter(({ command }) =>
      command.includes(provisioned.vscode.replace(/server-main\.js$/, '')),
    );
    server.child.kill('SIGTERM');
    const kill = setTimeout(() => server.child.kill('SIGKILL'), 5000);
    await ended;
    clearTimeout(kill);
    await endProcesses(family);
    process.off('exit', abandon);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const port = await waitFor('the VS Code server to listen', () => {
      if (server.child.exitCode !== null) throw new Error(server.output());
      const match = /listening on[^\d]*(\d+)/i.exec(server.output());
      return match === null ? undefined : Number(match[1]);
    });
    return { port, token, folder, bridge, output: server.output, ended, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Started {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly ended: Promise<number | null>;
}

function startProcess(args: readonly string[], env: NodeJS.ProcessEnv): Started {
  const child = spawn(provisioned.node24, [provisioned.vscode, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const keep = (chunk: string): void => void (output += chunk);
  child.stdout.setEncoding('utf8').on('data', keep);
  child.stderr.setEncoding('utf8').on('data', keep);
  const ended = new Promise<number | null>((resolve) => {
    child.on('error', (error) => {
      output += error.message;
      resolve(127);
    });
    child.on('exit', resolve);
  });
  return { child, output: () => output, ended };
}
