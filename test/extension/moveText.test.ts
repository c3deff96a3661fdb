import assert from 'node:assert/strict';
import { doctorReport } from '../../extension/model/doctorReport.ts';
import { AlternateScreen, plainText, tabName } from '../../extension/model/terminalText.ts';
import { confirmation, mustConfirm, refusal, summary } from '../../extension/moves/moveText.ts';
import type { Finding } from '../../protocol/index.ts';
import { description } from './samples.ts';

const warning: Finding = {
  cause: 'connection',
  severity: 'warns',
  side: 'source',
  what: 'A connection to 10.0.0.9:5432 is closed.',
  remedy: 'The program must connect again.',
};
const blocking: Finding = {
  cause: 'portTaken',
  severity: 'blocks',
  side: 'target',
  what: 'Port 8080 is taken on beta.',
  remedy: 'Free it first.',
};
const move = (findings: readonly Finding[]) => ({
  processName: 'web',
  from: 'alpha',
  to: 'beta',
  check: {
    findings,
    memoryBytes: 48 << 20,
    fileBytes: 0,
    missingBytes: 0,
    forecast: { pauseMs: 420, totalMs: 1_800, basis: 'moves' as const },
    engine: 'criu' as const,
    engineReason: null,
  },
});

describe('texts of a move', () => {
  it('ask as the setting says', () => {
    assert.equal(mustConfirm('always', [move([])]), true);
    assert.equal(mustConfirm('whenWarnings', [move([])]), false);
    assert.equal(mustConfirm('whenWarnings', [move([]), move([warning])]), true);
    assert.equal(mustConfirm('never', [move([warning])]), false);
  });

  it('say what moves, for how long it pauses, and what was found', () => {
    const { message, detail } = confirmation([move([warning])]);
    assert.equal(message, 'Move web from alpha to beta?');
    assert.equal(
      detail,
      [
        '48 MB of memory goes along.',
        'Going by earlier moves it is paused for about 400 ms; the move takes about 2 s in all.',
        '⚠ A connection to 10.0.0.9:5432 is closed.',
        '   → The program must connect again.',
      ].join('\n'),
    );
    assert.match(confirmation([move([])]).detail, /found nothing in the way/);
  });

  it('name the portable engine, and why it is used', () => {
    const { check, ...parties } = move([]);
    const reason = 'CRIU cannot be used on beta.';
    const portable = { ...check, engine: 'v8' as const, engineReason: reason };
    const { detail } = confirmation([{ ...parties, check: portable }]);
    assert.match(detail, /^The portable engine moves it\. CRIU cannot be used on beta\.$/m);
    assert.doesNotMatch(confirmation([move([])]).detail, /engine/);
  });

  it('name each of several processes', () => {
    const { message, detail } = confirmation([move([]), { ...move([]), processName: 'db' }]);
    assert.equal(message, 'Move 2 processes to beta?');
    assert.match(detail, /^web, from alpha:\n[^]*\n\ndb, from alpha:\n/);
  });

  it('refuse with the cause and its remedy', () => {
    assert.equal(
      refusal('web', 'beta', [warning, blocking]),
      'web cannot move to beta: Port 8080 is taken on beta. Free it first.',
    );
  });

  it('sum up with the pause', () => {
    const outcome = {
      handoff: 'h-0123456789abcdef',
      process: 'p-0123456789',
      pid: 2,
      downtimeMs: 182,
      totalMs: 900,
      bytesSent: 3 << 20,
      steps: [],
      remarks: [],
    };
    assert.equal(
      summary('web', 'beta', outcome),
      'web now runs on beta. It was paused for 182 ms; 3.0 MB were sent in 900 ms.',
    );
    assert.equal(summary('web', 'beta', { ...outcome, downtimeMs: 0 }), 'web now runs on beta.');
    const memory = { rounds: 2, bytes: 90 << 20, sentBytes: 3 << 20, missingBytes: 0 };
    assert.match(
      summary('web', 'beta', { ...outcome, memory: { ...memory, way: 'pre-copy' } }),
      /in 900 ms\. Most of its memory went while it still ran\.$/,
    );
    const late = { ...memory, way: 'post-copy' as const, missingBytes: 20 << 20 };
    assert.match(
      summary('web', 'beta', { ...outcome, memory: late }),
      /20(\.0)? MB of its memory still follow while it runs\.$/,
    );
  });
});

describe('terminal texts', () => {
  it('name the tab after where the process is', () => {
    const device = { name: 'beta', isLocal: false } as never;
    assert.equal(tabName('web', { kind: 'attached', device }), 'web — beta');
  });

  it('know whether a program owns the whole screen', () => {
    const screen = new AlternateScreen();
    screen.read('a\u001b[?104');
    assert.equal(screen.isOn, false);
    screen.read('9h vim');
    assert.equal(screen.isOn, true);
    screen.read('\u001b[?1049l\u001b[?25h');
    assert.equal(screen.isOn, false);
  });

  it('turn what a program drew into plain text', () => {
    const drawn = '\u001b[1;32mok\u001b[0m\r\n\u001b]0;title\u0007progress 1%\rprogress 2%\r\n';
    assert.equal(plainText(drawn), 'ok\nprogress 2%\n');
  });
});

describe('the doctor', () => {
  it('lists findings with remedies for each device', () => {
    const device = {
      name: 'alpha',
      isLocal: false,
      state: { kind: 'connected' },
      description: description({ available: false }),
      processesSeenAt: undefined,
    } as const;
    const report = doctorReport([device], new Map([['alpha', 'It is slow.']]), 0);
    assert.match(report, /## alpha/);
    assert.match(report, /\*\*It is slow/);
    assert.match(report, /criu does not work here yet/);
    assert.match(report, /\*\*In the way:\*\* CRIU is missing[^]*→ Set the device up/);
  });
});
