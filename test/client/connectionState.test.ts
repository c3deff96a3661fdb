import assert from 'node:assert/strict';
import {
  nextConnectionState,
  type ConnectionEvent,
  type ConnectionState,
} from '../../client/connectionState.ts';

const error = { message: 'It broke.' };
const waiting: ConnectionState = { kind: 'waiting', untilMs: 1_500, attempt: 2, error };
const states: readonly ConnectionState[] = [
  { kind: 'disconnected' },
  { kind: 'connecting' },
  { kind: 'installing' },
  { kind: 'connected' },
  waiting,
  { kind: 'failed', error },
];

/** For each event the kinds that follow, in the order of `states`. */
const table: readonly (readonly [ConnectionEvent, string])[] = [
  [{ kind: 'connect' }, 'connecting connecting installing connected connecting connecting'],
  [{ kind: 'install' }, 'disconnected installing installing connected waiting failed'],
  [{ kind: 'established' }, 'disconnected connected connected connected waiting failed'],
  [{ kind: 'failed', error, attempt: 1 }, 'disconnected failed failed failed failed failed'],
  [
    { kind: 'failed', error, attempt: 2, retryInMs: 500 },
    'disconnected waiting waiting waiting waiting waiting',
  ],
  [{ kind: 'disconnect' }, Array(6).fill('disconnected').join(' ')],
];

describe('the state of a connection', () => {
  for (const [event, expected] of table) {
    const kind = 'retryInMs' in event ? 'failed, to be tried again' : event.kind;
    it(`after ${kind}`, () => {
      const next = states.map((state) => nextConnectionState(state, event, 1_000).kind);
      assert.equal(next.join(' '), expected);
    });
  }

  it('says until when it waits, at which attempt and why', () => {
    const event = { kind: 'failed', error, attempt: 2, retryInMs: 500 } as const;
    assert.deepEqual(nextConnectionState({ kind: 'connected' }, event, 1_000), waiting);
  });
});
