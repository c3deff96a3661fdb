import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkDeparture } from '../../../../agent/engines/criu/departureCheck.ts';
import type { CriuFacts } from '../../../../agent/engines/criu/factsSchema.ts';
import { startCell } from '../../../../agent/keeper/startKeeper.ts';
import { readTree } from '../../../../agent/processes/tree.ts';
import type { Finding } from '../../../../protocol/index.ts';
import { requireProgram, requireProvisioned } from '../../../support/provisioned.ts';
import { skip } from '../../../support/skip.ts';
import {
  Bench,
  buildKeeper,
  cannotMakeCells,
  keeperBinary,
  plainEnv,
  Screen,
} from '../../keeper/support.ts';
import { factsOf } from './holding.ts';

/** What a program launched by Flick in a cell of root looks like to the check: there is nothing to say about it. */
describe('the check of programs in a cell', function () {
  this.timeout(60_000);
  let bench: Bench;
  let folder: string;
  before(function () {
    const reason = cannotMakeCells();
    if (reason !== undefined) skip(this, reason);
    buildKeeper();
  });
  beforeEach(() => {
    bench = new Bench();
    folder = mkdtempSync(join(tmpdir(), 'flick-cell-'));
  });
  afterEach(async () => {
    await bench.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  async function look(
    argv: readonly string[],
    shows: string | RegExp,
  ): Promise<{ facts: CriuFacts; findings: Finding[] }> {
    const dir = await bench.folder();
    const keeperPid = await startCell({ keeper: keeperBinary, dir });
    bench.adopt(keeperPid);
    const client = await bench.connect(dir);
    const screen = await Screen.of(client);
    await client.launch({ argv, env: plainEnv, cwd: folder, columns: 80, rows: 24 });
    await screen.shows(shows);
    const rootPid = (await readTree(keeperPid))?.processes[1]?.pid;
    assert.ok(rootPid !== undefined);
    const facts = await factsOf(rootPid, { cell: { keeperPid }, flickOwnedTty: true });
    return { facts, findings: checkDeparture(facts, { uid: 0, inCell: true, hasHelper: true }) };
  }

  it('Node.js with a server, a watcher and modules', async () => {
    writeFileSync(join(folder, 'package.json'), '{}');
    writeFileSync(
      join(folder, 'server.js'),
      "require('fs').watch('.', () => {}); require('net').createServer().listen(0, () => console.log('listens'));",
    );
    const { facts, findings } = await look([process.execPath, 'server.js'], 'listens');
    assert.deepEqual(findings, []);
    assert.equal(facts.listening.length, 1);
    assert.equal(facts.session.rootLeads, true);
    assert.deepEqual(facts.packageRoots, [
      { ...facts.packageRoots[0], path: folder, reason: 'package.json', files: 2, complete: true },
    ]);
    assert.ok(facts.mappedFiles.some((file) => file.path.endsWith('/node') && file.executable));
    assert.ok(facts.mappedFiles.some((file) => /libc\.so/.test(file.path) && file.buildId));
    assert.ok(facts.memoryBytes > 1e6);
  });

  it('Node.js 24, whose io_uring the cell keeps away', async function () {
    const node = requireProvisioned(this, 'node24');
    const code = "require('net').createServer().listen(0, () => console.log('listens'))";
    const { findings } = await look([node, '-e', code], 'listens');
    assert.deepEqual(findings, []);
  });

  it('a shell with a pipeline', async () => {
    const { facts, findings } = await look(
      ['sh', '-c', 'while sleep 0.1; do echo x; done | cat | cat'],
      'x',
    );
    assert.deepEqual(findings, []);
    assert.ok(facts.processes.length >= 4);
  });

  it('an editor on the terminal', async function () {
    const vim = requireProgram(this, 'vim');
    writeFileSync(join(folder, 'note.txt'), 'unsaved');
    const { findings } = await look([vim, '-u', 'NONE', 'note.txt'], 'unsaved');
    assert.deepEqual(findings, []);
  });

  it('a database', async function () {
    const redis = requireProgram(this, 'redis-server');
    const { findings } = await look(
      [redis, '--port', '0', '--unixsocket', join(folder, 's'), '--save', ''],
      /[Rr]eady|now ready/,
    );
    assert.deepEqual(findings, []);
  });
});
