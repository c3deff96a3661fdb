import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import Mocha from 'mocha';
import { root } from '../support/provisioned.ts';
import { skip } from '../support/skip.ts';
import { runExtensionHost, type HostRun } from './vscode/extensionHost.ts';
import { requireVsCode } from './vscode/session.ts';

describe('inside the extension host', function () {
  this.timeout(240_000);
  let run: HostRun;

  before(async function () {
    requireVsCode(this);
    if (!existsSync(join(root, 'dist', 'extension.cjs'))) {
      skip(this, 'dist/extension.cjs was not built');
    }
    run = await runExtensionHost({ host: 'server' });
    // Every result becomes a test of this suite, so that each is counted for what it is.
    for (const result of run.results) {
      const test =
        result.state === 'skipped'
          ? new Mocha.Test(result.title)
          : new Mocha.Test(result.title, () => {
              if (result.state === 'failed') assert.fail(result.reason);
            });
      this.test?.parent?.addTest(test);
    }
  });

  it('the suites run to their end', () => {
    assert.equal(run.brokenOff, undefined);
    assert.notEqual(run.results.length, 0);
  });
});
