import assert from 'node:assert/strict';
import {
  choicesOf,
  reduce,
  verdictOf,
  type SourceEvent,
  type SourceState,
  type TargetEvent,
  type TargetState,
} from '../../../agent/handoff/machine.ts';
import { mayTell } from '../../../common/handoffVerdict.ts';
import { explore } from './explorer.ts';
import { mutants } from './mutants.ts';
import type { Budget, Rules } from './world.ts';

const rules: Rules = {
  reduce: (state, event) =>
    state.role === 'source'
      ? reduce(state as SourceState, event as SourceEvent)
      : reduce(state as TargetState, event as TargetEvent),
  verdictOf,
  choicesOf,
  mayTell,
};

const noFaults: Budget = {
  crashSource: 0,
  crashTarget: 0,
  cutSource: 0,
  cutTarget: 0,
  restoreFails: 0,
  effectFails: 0,
  cancels: 0,
  decisions: 0,
};
const someFaults: Budget = { ...noFaults, crashSource: 1, crashTarget: 1, restoreFails: 1 };
const maxStates = 200_000;

describe('the handoff as a state machine', function () {
  this.timeout(120_000);

  const worlds: readonly (readonly [string, boolean, Budget])[] = [
    ['agents die, the copy fails, it is cancelled', false, { ...someFaults, cancels: 1 }],
    ['agents die twice', false, { ...someFaults, crashSource: 2, crashTarget: 2 }],
    ['devices lose their power', false, { ...someFaults, cutSource: 1, cutTarget: 1 }],
    ['records cannot be written', false, { ...someFaults, effectFails: 2 }],
    ['a person decides', false, { ...noFaults, crashTarget: 1, cutTarget: 1, decisions: 2 }],
    ['pages arrive after it runs, agents die', true, { ...someFaults, effectFails: 1 }],
    [
      'pages arrive after it runs, power is lost',
      true,
      { ...someFaults, cutSource: 1, cutTarget: 1 },
    ],
  ];
  for (const [name, lazy, budget] of worlds) {
    it(`keeps exactly one copy when ${name}`, function () {
      const explored = explore(rules, { lazy, budget, strict: true, maxStates });
      const { violation, states, depth, isComplete } = explored;
      assert.equal(violation, undefined, `${violation?.what}:\n${violation?.trace.join('\n')}`);
      // Not a bounded look: every world that can be reached with these faults has been seen.
      assert.ok(isComplete);
      if (this.test !== undefined) this.test.title += ` (${states} states, ${depth} steps deep)`;
    });
  }

  describe('with a mistake in it is caught:', () => {
    for (const { name, lazy, budget, rules: mutate } of mutants) {
      it(name, () => {
        const { violation } = explore(mutate(rules), {
          lazy: lazy ?? false,
          budget: { ...someFaults, ...budget },
          strict: false,
          maxStates,
        });
        assert.ok(violation !== undefined, 'nobody noticed');
        assert.ok(violation.trace.length > 1);
        if (process.env['SHOW_TRACES'] !== undefined) {
          console.log(`      ${violation.what}:\n        ${violation.trace.join('\n        ')}`);
        }
      });
    }
  });
});
