import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Spool } from '../../../../../agent/engines/v8/capsule/spool.ts';
import { temporaryFolder } from '../../../../support/temporary.ts';

describe('lines that wait for those before them', () => {
  const long = (n: number): Buffer => Buffer.from(`${String(n)} ${'x'.repeat(1 << 20)}\n`);

  it('come back in their order, also those that were put aside', () => {
    const folder = temporaryFolder();
    const spool = new Spool(join(folder.path, 'parts'));
    try {
      const order = [3, 0, 1, 7, 2, 6, 5, 4];
      for (const n of order) spool.put(n, long(n));
      assert.deepEqual(readdirSync(folder.path), [], 'nobody sees the file');
      assert.ok(order.every((n) => spool.has(n)) && !spool.has(8));
      for (const pass of [1, 2]) {
        let n = 0;
        for (const line of spool) {
          assert.ok(line.equals(long(n)), `line ${String(n)}`);
          n += 1;
        }
        assert.equal(n, 8, `pass ${String(pass)}`);
      }
      spool.clear();
      assert.deepEqual([...spool], []);
      spool.put(0, long(9));
      assert.ok([...spool][0]?.equals(long(9)));
    } finally {
      spool.clear();
      folder.remove();
    }
  });

  it('are forgotten where there is no file, but for their being there', () => {
    const spool = new Spool();
    for (let n = 0; n < 6; n += 1) spool.put(n, long(n));
    assert.ok(spool.has(5) && !spool.has(6));
    assert.equal(Buffer.concat([...spool]).length, 0);
  });
});
