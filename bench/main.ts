import { mkdirSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { root } from '../test/support/provisioned.ts';
import { runBench } from './bench.ts';
import type { Row } from './figures.ts';
import { describeMachine } from './machine.ts';
import { parseOptions, usage, UsageError } from './options.ts';
import { Runners } from './runners/runners.ts';
import { Stage } from './stage.ts';
import { resultTable, targetTable } from './table.ts';
import { judge } from './targets.ts';

async function main(words: readonly string[]): Promise<void> {
  const options = parseOptions(words);
  const file =
    options.json === undefined ? join(root, 'test-output/bench.json') : resolve(options.json);
  mkdirSync(dirname(file), { recursive: true });
  const machine = describeMachine();
  const startedAt = new Date().toISOString();
  const write = (rows: readonly Row[]): void => {
    const { selection, repetitions } = options;
    const document = {
      version: 1,
      startedAt,
      machine,
      selection,
      repetitions,
      rows,
      targets: judge(rows),
    };
    writeFileSync(file, `${JSON.stringify(document, undefined, 1)}\n`);
  };
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const stage = await Stage.up();
  const runners = new Runners(stage);
  const close = async (): Promise<void> => {
    await runners.close();
    await stage.down();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      say('ending the devices');
      void close().finally(() => process.exit(128 + constants.signals[signal]));
    });
  }
  try {
    const rows = await runBench(stage, runners, { ...options, say, onRows: write });
    const judged = judge(rows);
    const lines = [...resultTable(rows), ''];
    if (judged.length > 0) lines.push(...targetTable(judged), '');
    lines.push(`written to ${file}`);
    process.stdout.write(`${lines.join('\n')}\n`);
  } finally {
    await close();
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  const isUsage = error instanceof UsageError;
  process.stderr.write(
    `${error instanceof Error ? error.message : String(error)}\n${isUsage ? usage : ''}`,
  );
  process.exitCode = isUsage ? 2 : 1;
}
