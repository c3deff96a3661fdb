import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './provisioned.ts';
import { skip } from './skip.ts';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The command line under test, as a user starts it, with a home of its own. */
export class FlickCommand {
  readonly #home: string;
  readonly #env: NodeJS.ProcessEnv;

  constructor(home: string, env: NodeJS.ProcessEnv = {}) {
    this.#home = home;
    this.#env = env;
  }

  static requireBuilt(context: Mocha.Context): void {
    for (const file of ['cli.cjs', 'agent.cjs']) {
      if (!existsSync(join(root, 'dist', file))) skip(context, `dist/${file} was not built`);
    }
  }

  /** Runs it to its end; `timeoutMs` ends it with SIGKILL, which shows as status 137. */
  async run(
    args: readonly string[],
    options: { input?: string; timeoutMs?: number } = {},
  ): Promise<Ran> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [join(root, 'dist/cli.cjs'), ...args], {
        env: { ...process.env, ...this.#env, FLICK_HOME: this.#home },
        stdio: ['pipe', 'pipe', 'pipe'],
        timeout: options.timeoutMs ?? 90_000,
        killSignal: 'SIGKILL',
      });
      let stdout = '';
      let stderr = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
      child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
      child.stdin.on('error', () => undefined);
      child.stdin.end(options.input ?? '');
      child.once('error', reject);
      child.once('close', (code) => resolve({ code: code ?? 137, stdout, stderr }));
    });
  }

  /** Runs it with `--json` and expects it to succeed. */
  async json<T>(args: readonly string[]): Promise<T> {
    const words = args.includes('--')
      ? [...args.slice(0, args.indexOf('--')), '--json', ...args.slice(args.indexOf('--'))]
      : [...args, '--json'];
    const ran = await this.run(words);
    if (ran.code !== 0) {
      throw new Error(
        `flick ${args.join(' ')} ended with ${ran.code}\n${ran.stdout}\n${ran.stderr}`,
      );
    }
    return JSON.parse(ran.stdout) as T;
  }
}

/** What `ps --json` says of a process, as far as tests look at it. */
export interface Listed {
  readonly id: string;
  readonly name: string;
  readonly device: string;
  readonly pid: number | null;
  readonly state: string;
  readonly remark: string | null;
  readonly doubt?: { readonly what: string };
  /** Of a process whose memory is still arriving. */
  readonly memory?: { readonly from: string; readonly doneBytes: number };
  /** Offered for a process that is lost. */
  readonly capsule?: { readonly id: string };
}

export interface Moved {
  readonly process: { readonly id: string; readonly device: string; readonly pid: number };
  readonly from: string;
  readonly to: string;
  readonly engine: string;
  readonly downtimeMs: number;
  readonly totalMs: number;
  readonly bytesSent: number;
  readonly way: 'direct' | 'relayed';
  readonly relayedBytes: number;
  readonly memory: {
    readonly way: 'stop-and-copy' | 'pre-copy' | 'post-copy';
    readonly bytes: number;
    readonly sentBytes: number;
    readonly missingBytes: number;
  } | null;
  readonly steps: readonly { readonly name: string; readonly ms: number }[];
}
