'use strict';

const { appendFileSync } = require('node:fs');
const { relative } = require('node:path');
const Mocha = require('mocha');

const { EVENT_RUN_END, EVENT_TEST_FAIL, EVENT_TEST_PASS, EVENT_TEST_PENDING } =
  Mocha.Runner.constants;

/**
 * Mocha's own readable reporter, which also appends one JSON line per result to a file: what was
 * counted before a crash stays counted, and a missing last line tells of the crash.
 */
module.exports = class CountingReporter extends Mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const file = options.reporterOption.output;
    const write = (entry) => appendFileSync(file, `${JSON.stringify(entry)}\n`);
    const describe = (test) => ({
      title: test.fullTitle(),
      file: relative(process.cwd(), test.file ?? test.parent?.file ?? ''),
    });
    runner.on(EVENT_TEST_PASS, (test) => write({ result: 'passed', ...describe(test) }));
    runner.on(EVENT_TEST_FAIL, (test, error) => {
      write({ result: 'failed', ...describe(test), reason: String(error?.message ?? error) });
    });
    runner.on(EVENT_TEST_PENDING, (test) => {
      write({ result: 'skipped', ...describe(test), reason: skipReason(test) });
    });
    runner.on(EVENT_RUN_END, () => write({ result: 'end' }));
  }
};

/** The reason that test/support/skip.ts left at the test or at a suite around it. */
function skipReason(test) {
  for (let at = test; at !== undefined; at = at.parent) {
    if (at.skipReason !== undefined) return at.skipReason;
  }
  return 'no reason given';
}
