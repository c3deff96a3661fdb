// The entry of every npm script. Runs on a fresh clone: provisions what the command needs, then
// does the real thing. What cannot be had is said and left out; the command goes on without it.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { provision } from './provision/main.mjs';
import { root } from './provision/common.mjs';

const bin = (name) => join(root, 'node_modules', '.bin', name);
const node = (script, ...args) => [process.execPath, join(root, script), ...args];
const tsx = (script, ...args) => [process.execPath, '--import', 'tsx', join(root, script), ...args];

const device = ['npm', 'lab', 'criu'];

/**
 * What each command needs, and the programs that it runs one after the other.
 * @type {Record<string, { needs: readonly string[] | ((args: readonly string[]) => readonly string[]), steps: (args: readonly string[]) => string[][] }>}
 */
const commands = {
  bench: {
    needs: [...device, 'build', 'podman'],
    steps: (args) => [node('scripts/build.mjs'), tsx('bench/main.ts', ...args)],
  },
  build: {
    needs: ['npm', 'build'],
    steps: (args) => [node('scripts/build.mjs', ...args)],
  },
  check: {
    needs: ['npm'],
    steps: () => [
      [bin('tsc'), '-p', '.'],
      [bin('eslint'), '.'],
      [bin('prettier'), '--check', '--log-level=warn', '.'],
    ],
  },
  package: {
    needs: ['npm', 'build', 'criu-bundle'],
    steps: (args) => [
      node('scripts/build.mjs'),
      [
        bin('vsce'),
        'package',
        '--no-dependencies',
        '--allow-missing-repository',
        '--no-rewrite-relative-links',
        ...args,
      ],
    ],
  },
  demo: {
    needs: (args) => (args.includes('--no-root') ? ['npm', 'build'] : [...device, 'build']),
    steps: (args) => [node('scripts/build.mjs'), tsx('demo/main.ts', ...args)],
  },
  lab: {
    needs: device,
    steps: (args) => [tsx('test/lab/main.ts', ...args)],
  },
  test: {
    needs: [
      ...[...device, 'build', 'programs', 'browser', 'criu-old', 'criu-bundle'],
      ...['node22', 'node24', 'node26', 'node-arm64', 'vscode'],
    ],
    steps: (args) => [node('scripts/test.mjs', ...args)],
  },
};

/**
 * @param {readonly string[]} argv
 * @returns {Promise<number>} the exit status; 128 and the signal's number after a signal
 */
function runStep([command, ...args]) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit' });
    // The terminal sends ^C to the child as well; it decides when to end, and how.
    const pass = (signal) => child.kill(signal);
    const ignore = () => undefined;
    process.on('SIGTERM', pass).on('SIGHUP', pass).on('SIGINT', ignore);
    child.on('error', (error) => {
      process.stderr.write(`${command}: ${error.message}\n`);
      resolve(127);
    });
    child.on('close', (code, signal) => {
      process.off('SIGTERM', pass).off('SIGHUP', pass).off('SIGINT', ignore);
      resolve(code ?? 128 + ({ SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 }[signal] ?? 0));
    });
  });
}

const [name, ...args] = process.argv.slice(2);
const command = commands[name];
if (command === undefined) {
  process.stderr.write(`usage: run ${Object.keys(commands).join('|')} …\n`);
  process.exitCode = 2;
} else {
  const { needs } = command;
  await provision(typeof needs === 'function' ? needs(args) : needs);
  for (const step of command.steps(args)) {
    process.exitCode = await runStep(step);
    if (process.exitCode !== 0) break;
  }
}
