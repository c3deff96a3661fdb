import { appendFileSync } from 'node:fs';
import type { HostResult } from '../e2e/vscode/extensionHost.ts';

/**
 * A mocha reporter, which mocha calls with `new`: it appends one JSON line per result to the file `FLICK_TEST_REPORT`,
 * because the extension host's own output does not reach the program that started it. The events are those of mocha's
 * `Runner.constants`.
 */
export function LineReporter(runner: Mocha.Runner): void {
  const file = process.env['FLICK_TEST_REPORT'] ?? '';
  const write = (result: HostResult): void => appendFileSync(file, `${JSON.stringify(result)}\n`);
  runner.on('pass', (test) => write({ state: 'passed', title: test.fullTitle() }));
  runner.on('pending', (test) => write({ state: 'skipped', title: test.fullTitle() }));
  runner.on('fail', (test, error: unknown) => {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    write({ state: 'failed', title: test.fullTitle(), reason });
  });
  runner.on('end', () => write({ state: 'end' }));
}
