import assert from 'node:assert/strict';
import { linkPatience, patienceAt } from '../../../../agent/handoff/link/patience.ts';

describe('patience with links', () => {
  const of = (text: string): readonly [number, number] => {
    const patience = linkPatience({ FLICK_LINK_PATIENCE: text });
    return [patienceAt('copy', patience), patienceAt('send', patience)];
  };

  it('is longer while the process runs', () => {
    const [running, frozen] = of('');
    assert.ok(running > frozen);
  });

  it('can be given for both at once, or for each', () => {
    assert.deepEqual(of('1500'), [1500, 1500]);
    assert.deepEqual(of('8000,1500'), [8000, 1500]);
  });

  it('stays as usual where what is given is no number of ms', () => {
    for (const text of ['soon', '0', '-1', '8000,', '8000,soon', 'Infinity', '1,2x']) {
      assert.deepEqual(of(text), of(''), text);
    }
  });
});
