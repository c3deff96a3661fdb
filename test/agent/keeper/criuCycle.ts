import { readFileSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeeperClient, KeeperJob } from '../../../agent/keeper/keeperClient.ts';
import { provisioned } from '../../support/provisioned.ts';
import { plainEnv } from './support.ts';

/** Where and how criu runs in one test. */
export interface Criu {
  readonly program: string;
  readonly images: string;
  readonly unprivileged?: boolean;
  readonly shellJob?: boolean;
  /** The dump leaves private memory out, the restore leaves it to the keeper. */
  readonly lazy?: boolean;
  readonly extra?: readonly string[];
}

export async function criuIn(folder: string, options: Partial<Criu> = {}): Promise<Criu> {
  const images = join(folder, 'images');
  await mkdir(images, { recursive: true });
  return { program: provisioned.criu, images, ...options };
}

function common(criu: Criu, log: string, holdScript: string): string[] {
  return [
    ...['-D', criu.images, '-o', log, '-v4'],
    ...['--manage-cgroups=ignore', '--tcp-close', '--action-script', holdScript],
    ...(criu.unprivileged === true ? ['--unprivileged'] : []),
    ...(criu.shellJob === true ? ['--shell-job'] : []),
    ...(criu.extra ?? []),
  ];
}

/** Starts a dump that holds. `terminalKey` is that of the process's terminal, if the keeper holds it. */
export async function dump(
  client: KeeperClient,
  criu: Criu,
  pid: number,
  terminalKey?: string,
): Promise<KeeperJob> {
  const { holdScript } = await client.state();
  return client.exec({
    kind: 'dump',
    hold: true,
    trackPid: pid,
    pageSocket: criu.lazy === true,
    outputPath: join(criu.images, 'dump.out'),
    env: plainEnv,
    argv: [
      criu.program,
      'dump',
      '-t',
      String(pid),
      ...common(criu, 'dump.log', holdScript),
      ...(criu.lazy === true ? ['--lazy-pages', '--ps-socket', '8'] : []),
      ...(terminalKey === undefined ? [] : ['--external', `tty[${terminalKey}]`]),
    ],
  });
}

/** Starts a restore that holds. */
export async function restore(
  client: KeeperClient,
  criu: Criu,
  pid: number,
  terminalKey?: string,
): Promise<KeeperJob> {
  const { holdScript } = await client.state();
  return client.exec({
    kind: 'restore',
    hold: true,
    trackPid: pid,
    lastPid: 100,
    ...(criu.shellJob === true ? { sessionOnPty: true } : { ptyDescriptor: true }),
    outputPath: join(criu.images, 'restore.out'),
    env: plainEnv,
    argv: [
      criu.program,
      'restore',
      ...['-d', '-S'],
      ...common(criu, 'restore.log', holdScript),
      ...(criu.lazy === true ? ['--lazy-pages'] : []),
      ...(terminalKey === undefined ? [] : ['--inherit-fd', `fd[9]:tty[${terminalKey}]`]),
    ],
  });
}

/** Waits until criu holds. Throws with what its log says when it ends instead. */
export async function holds(job: KeeperJob, criu: Criu): Promise<void> {
  if (await job.held) return;
  const status = await job.done;
  const log = (name: string): string => {
    try {
      const lines = readFileSync(join(criu.images, name), 'utf8').split('\n');
      return lines.filter((line) => line.includes('Error')).join('\n');
    } catch {
      return '';
    }
  };
  const said = ['dump.out', 'dump.log', 'restore.out', 'restore.log'].map(log).join('\n');
  throw new Error(`criu ended with ${JSON.stringify(status)}\n${said}`);
}

/** A Node.js program that counts into a file and on its terminal, and ends with 37 when told `quit`. */
export function counter(beat: string): string {
  return `
    const fs = require('fs');
    let n = 0;
    setInterval(() => { n += 1; fs.appendFileSync(${JSON.stringify(beat)}, n + '\\n'); process.stdout.write('n=' + n + ' '); }, 30);
    process.stdin.on('data', (data) => {
      const text = data.toString().trim();
      console.log('got[' + text + ']');
      if (text === 'quit') process.exit(37);
    });
    process.stdout.on('resize', () => console.log('size ' + process.stdout.columns + 'x' + process.stdout.rows));
  `;
}

export async function beats(file: string): Promise<number> {
  return (await readFile(file, 'utf8').catch(() => '')).split('\n').length - 1;
}
