import { mkdirSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { root } from '../test/support/provisioned.ts';
import { runBench } from './bench.ts';
import type { Row } from './figures.ts';
import { describeMachine } from './machine.ts';
import { parseOptions, usage, UsageError } from './options.ts';
import { runPortable, type PortableRow } from './portable/suite.ts';
import { judgePortable, portableTables } from './portable/targets.ts';
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
  const known: { rows: readonly Row[]; portable: readonly PortableRow[] } = {
    rows: [],
    portable: [],
  };
  const write = (): void => {
    const { selection, repetitions } = options;
    const document = {
      version: 1,
      startedAt,
      machine,
      selection,
      repetitions,
      rows: known.rows,
      targets: judge(known.rows),
      portable: { rows: known.portable, targets: judgePortable(known.portable) },
    };
    writeFileSync(file, `${JSON.stringify(document, undefined, 1)}\n`);
  };
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const print = (lines: readonly string[]): void =>
    void process.stdout.write(`${lines.join('\n')}\n`);
  if (options.portable) {
    const { repetitions, quick } = options;
    const onRows = (rows: readonly PortableRow[]): void => {
      known.portable = rows;
      write();
    };
    print([...portableTables(await runPortable({ repetitions, quick, say, onRows })), '']);
  }
  if (options.selection.runners.length > 0) await runMoves();
  print([`written to ${file}`]);

  async function runMoves(): Promise<void> {
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
      const onRows = (rows: readonly Row[]): void => {
        known.rows = rows;
        write();
      };
      const rows = await runBench(stage, runners, { ...options, say, onRows });
      const judged = judge(rows);
      print([...resultTable(rows), '', ...(judged.length > 0 ? [...targetTable(judged), ''] : [])]);
    } finally {
      await close();
    }
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
