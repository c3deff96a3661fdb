import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { access, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as v from 'valibot';
import { messageOf } from '../../common/rpc.ts';
import {
  FlickError,
  text,
  type EngineStatus,
  type ParamsOf,
  type applySetup,
  type ResultOf,
  type SetupPlan,
} from '../../protocol/index.ts';
import { readValidated, writeDurably, writeFailure } from '../state/durable.ts';
import type { AgentHome } from '../state/home.ts';
import { helperFolder } from '../helper/installed.ts';
import { criuPackage, type CriuPackage } from './packages.ts';
import { run } from './run.ts';

/** What has been done here and can be undone, oldest first. */
const doneSchema = v.object({ version: v.literal(1), done: v.array(text) });

const sysctlFile = '/etc/sysctl.d/60-flick.conf';

export interface SetupContext {
  readonly home: AgentHome;
  /** The agent file that runs, which the helper gets a root-owned copy of. */
  readonly entry: string;
  readonly uid: number;
  /** Root, or `sudo -n` works. */
  readonly privileged: boolean;
  readonly helperUsable: boolean;
  readonly userNamespaces: boolean;
  readonly criu: EngineStatus;
}

/** Plans and carries out what a device needs: says what and why first, does exactly what was agreed to, can undo it. */
export class DeviceSetup {
  readonly #uploads = new Map<string, Promise<string>>();
  readonly #home: AgentHome;
  readonly #context: () => Promise<SetupContext>;

  constructor(home: AgentHome, context: () => Promise<SetupContext>) {
    this.#home = home;
    this.#context = context;
  }

  async plan(options: { undo?: boolean; bundleAvailable?: boolean }): Promise<SetupPlan> {
    const context = await this.#context();
    return options.undo === true
      ? this.#planUndo(context)
      : this.#planSetup(context, options.bundleAvailable === true);
  }

  async apply(params: ParamsOf<typeof applySetup>): Promise<ResultOf<typeof applySetup>> {
    const context = await this.#context();
    const done: string[] = [];
    const failed: { id: string; message: string }[] = [];
    for (const id of params.steps) {
      try {
        await this.#apply(id, context, params.upload);
        done.push(id);
      } catch (error) {
        failed.push({ id, message: messageOf(error) });
        break;
      }
    }
    return { done, failed };
  }

  /** Takes the bytes of a bundle; a step that needs it waits until all of it is there. */
  receive(upload: string, stream: Readable, expectedSha256: string): Promise<void> {
    const arriving = this.#receive(upload, stream, expectedSha256);
    // Whoever applies the steps hears of a failure; until then nobody may be listening.
    arriving.catch(() => undefined);
    this.#uploads.set(upload, arriving);
    return arriving.then(() => undefined);
  }

  /** @returns where the bundle lies, its hash checked */
  async #receive(upload: string, stream: Readable, expectedSha256: string): Promise<string> {
    const path = join(this.#home.root, `upload-${upload}.tar.gz`);
    try {
      await pipeline(stream, createWriteStream(path, { mode: 0o600 }));
      const hash = createHash('sha256');
      await pipeline(createReadStream(path), hash);
      if (hash.digest('hex') !== expectedSha256) throw new Error('its checksum is wrong');
      return path;
    } catch (error) {
      await rm(path, { force: true });
      throw writeFailure(path, error);
    }
  }

  async #planSetup(context: SetupContext, bundleAvailable: boolean): Promise<SetupPlan> {
    const steps: SetupPlan['steps'][number][] = [];
    const leftOut: string[] = [];
    let needsBundle = false;
    if (!context.criu.available) {
      const why = context.criu.findings[0]?.what ?? 'CRIU checkpoints and restores processes.';
      const offered = await criuPackage();
      if (offered !== undefined && context.privileged) {
        steps.push({
          id: 'criu-package',
          what: `Install CRIU ${offered.version} with the device’s package manager`,
          why,
          command: shown(withSudo(context, offered.install)),
        });
      } else if (bundleAvailable) {
        needsBundle = true;
        steps.push({
          id: 'criu-bundle',
          what: `Copy Flick’s bundle of CRIU to ${join(context.home.root, 'criu')}`,
          why,
          command: `tar -xzf BUNDLE -C ${context.home.root}`,
        });
      } else {
        leftOut.push(
          'CRIU: the device’s package manager has none that is new enough for its kernel, and there is no bundle at hand to push (npm run build makes one).',
        );
      }
    }
    if (context.uid !== 0 && !context.userNamespaces) {
      if (context.privileged) {
        steps.push({
          id: 'user-namespaces',
          what: 'Allow user namespaces without privileges',
          why: 'Processes of ordinary users live in a user namespace of their own.',
          command: `write ${sysctlFile}, then sysctl -p ${sysctlFile}`,
        });
      } else {
        leftOut.push('User namespaces: allowing them needs sudo without a password.');
      }
    }
    if (!context.helperUsable) {
      if (context.privileged) {
        steps.push({
          id: 'helper',
          what: `Copy the agent and its Node.js to ${helperFolder}, owned by root`,
          why: 'Adopting a process that was not started by Flick needs root for the moment of the dump.',
          command: `install -D -o root -m 0755 … ${helperFolder}/`,
        });
      } else {
        leftOut.push('Adopting running processes: it needs sudo without a password.');
      }
    }
    return { steps, leftOut, needsBundle };
  }

  async #planUndo(context: SetupContext): Promise<SetupPlan> {
    const done = await this.#done(context.home);
    const steps = [...done].reverse().map((id) => ({
      id: `undo-${id}`,
      what: undoTexts[id] ?? `Undo ${id}`,
      why: 'It was set up by Flick.',
      command: '',
    }));
    return { steps, leftOut: [], needsBundle: false };
  }

  async #apply(id: string, context: SetupContext, upload: string | undefined): Promise<void> {
    switch (id) {
      case 'criu-package': {
        const offered = await requirePackage();
        for (const command of offered.before) await must(withSudo(context, command));
        await must(withSudo(context, offered.install));
        break;
      }
      case 'criu-bundle':
        await this.#unpackBundle(context.home, upload);
        break;
      case 'user-namespaces':
        await must(
          withSudo(context, [
            'sh',
            '-c',
            'printf "%s\\n" "-kernel.unprivileged_userns_clone = 1" "-kernel.apparmor_restrict_unprivileged_userns = 0" "-user.max_user_namespaces = 15000" > "$1" && sysctl -p "$1"',
            'sh',
            sysctlFile,
          ]),
        );
        break;
      case 'helper':
        await must(withSudo(context, ['mkdir', '-p', '-m', '0755', helperFolder]));
        await must(
          withSudo(context, [
            'install',
            '-o',
            'root',
            '-m',
            '0755',
            process.execPath,
            `${helperFolder}/node`,
          ]),
        );
        await must(
          withSudo(context, [
            'install',
            '-o',
            'root',
            '-m',
            '0644',
            context.entry,
            `${helperFolder}/agent.cjs`,
          ]),
        );
        // Root runs only what root alone can change: a bundle in the user's home gets a copy too.
        if (await exists(join(context.home.root, 'criu', 'criu'))) {
          const bundle = join(context.home.root, 'criu');
          await must(withSudo(context, ['rm', '-rf', `${helperFolder}/criu`]));
          await must(withSudo(context, ['cp', '-r', bundle, `${helperFolder}/criu`]));
          await must(withSudo(context, ['chown', '-R', 'root:root', `${helperFolder}/criu`]));
          await must(withSudo(context, ['chmod', '-R', 'go-w', `${helperFolder}/criu`]));
        }
        break;
      case 'undo-criu-package': {
        const offered = await requirePackage();
        await must(withSudo(context, offered.remove));
        break;
      }
      case 'undo-criu-bundle':
        await rm(join(context.home.root, 'criu'), { recursive: true, force: true });
        break;
      case 'undo-user-namespaces':
        await must(withSudo(context, ['rm', '-f', sysctlFile]));
        break;
      case 'undo-helper':
        await must(withSudo(context, ['rm', '-rf', helperFolder]));
        break;
      default:
        throw new FlickError('invalidRequest', `There is no set-up step “${id}”.`);
    }
    await this.#remember(context.home, id);
  }

  async #unpackBundle(home: AgentHome, upload: string | undefined): Promise<void> {
    const path = upload === undefined ? undefined : await this.#uploads.get(upload);
    if (path === undefined) {
      throw new FlickError('invalidRequest', 'The bundle of CRIU has not arrived on the device.');
    }
    const fresh = join(home.root, 'criu.new');
    const target = join(home.root, 'criu');
    await rm(fresh, { recursive: true, force: true });
    await mkdir(fresh, { mode: 0o700 });
    await must(['tar', '-xzf', path, '-C', fresh, '--strip-components=1', '--no-same-owner']);
    await rm(target, { recursive: true, force: true });
    await rename(fresh, target);
    await rm(path, { force: true });
  }

  async #done(home: AgentHome): Promise<readonly string[]> {
    return (await readValidated(join(home.root, 'setup.json'), doneSchema))?.done ?? [];
  }

  async #remember(home: AgentHome, id: string): Promise<void> {
    const before = await this.#done(home);
    const plain = id.replace(/^undo-/, '');
    const without = before.filter((each) => each !== plain);
    const done = id.startsWith('undo-') ? without : [...without, plain];
    await writeDurably(join(home.root, 'setup.json'), `${JSON.stringify({ version: 1, done })}\n`);
  }
}

const undoTexts: Readonly<Record<string, string>> = {
  'criu-package': 'Remove the package criu',
  'criu-bundle': 'Remove Flick’s bundle of CRIU',
  'user-namespaces': `Remove ${sysctlFile} (takes effect with the next start of the device)`,
  helper: `Remove ${helperFolder}`,
};

function withSudo(
  context: { readonly uid: number },
  command: readonly [string, ...string[]],
): readonly [string, ...string[]] {
  return context.uid === 0 ? command : ['sudo', '-n', ...command];
}

function shown(command: readonly string[]): string {
  return command.join(' ');
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function requirePackage(): Promise<CriuPackage> {
  const offered = await criuPackage();
  if (offered === undefined) {
    throw new FlickError('notSupported', 'The device’s package manager offers no CRIU.');
  }
  return offered;
}

async function must(command: readonly [string, ...string[]]): Promise<void> {
  const result = await run(command, { timeoutMs: 600_000 });
  if (result.code !== 0) {
    const last = result.stderr.trim().split('\n').slice(-3).join(' ');
    throw new FlickError('internal', `“${shown(command)}” failed (status ${result.code}): ${last}`);
  }
}
