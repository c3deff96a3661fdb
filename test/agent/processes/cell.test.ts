import assert from 'node:assert/strict';
import { join } from 'node:path';
import { Cell } from '../../../agent/processes/cell.ts';
import { silentLogger } from '../../../common/logger.ts';
import { skip } from '../../support/skip.ts';
import {
  Bench,
  buildKeeper,
  cannotMakeCells,
  keeperBinary,
  plainEnv,
  until,
} from '../keeper/support.ts';

describe('a hush of a cell', function () {
  this.timeout(60_000);
  let bench: Bench;
  before(function () {
    const reason = cannotMakeCells();
    if (reason !== undefined) skip(this, reason);
    buildKeeper();
  });
  beforeEach(() => {
    bench = new Bench();
  });
  afterEach(() => bench.dispose());

  it('keeps lines of the inspector out of its scrollback', async () => {
    const folder = join(await bench.folder(), 'cell');
    const cell = await Cell.start({ keeper: keeperBinary, folder, logger: silentLogger });
    bench.adopt(cell.keeperPid);
    assert.equal(await cell.hush(60_000), true);
    await cell.launch({
      program: 'sh',
      argv: ['sh', '-c', 'echo Debugger attached.; echo up; sleep 100'],
      environment: plainEnv,
      cwd: '/',
      size: { columns: 80, rows: 24 },
    });
    const output = async (): Promise<string> => (await cell.scrollback()).bytes.toString();
    await until(async () => (await output()).includes('up\r\n'), 'the program is up');
    assert.equal(await output(), 'up\r\n');
    await cell.shutdown();
  });

  it('does no harm where the keeper cannot', async () => {
    const folder = join(await bench.folder(), 'guard');
    const guard = await Cell.startGuard({ keeper: keeperBinary, folder, logger: silentLogger });
    bench.adopt(guard.keeperPid);
    assert.equal(await guard.hush(60_000), false);
    assert.equal(await guard.innerPid(), 0);
    await guard.shutdown();
  });
});
