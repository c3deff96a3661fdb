import assert from 'node:assert/strict';
import { hostsOf, includesOf, suggestName } from '../../extension/model/address.ts';
import { joinCommandLine, parseCommandLine } from '../../extension/model/commandLine.ts';
import {
  codeSpan,
  formatBytes,
  formatDuration,
  formatPortNumbers,
  shorten,
} from '../../extension/model/format.ts';
import { describeProblem, isCancellation } from '../../extension/model/problem.ts';
import { FlickError } from '../../protocol/index.ts';

describe('formatting', () => {
  it('rounds sizes and durations as people say them', () => {
    assert.equal(formatBytes(512), '512 B');
    assert.equal(formatBytes(1536), '1.5 KB');
    assert.equal(formatBytes(37 * 1024 * 1024), '37 MB');
    assert.equal(formatDuration(182.4), '182 ms');
    assert.equal(formatDuration(2000), '2 s');
    assert.equal(formatDuration(59_990), '1 min 0 s');
    assert.equal(formatDuration(125_000), '2 min 5 s');
    assert.equal(formatDuration(90_000_000), '1 d 1 h');
  });

  it('lists each port once, in order', () => {
    const port = (value: number) => ({ protocol: 'tcp', address: '::', port: value }) as const;
    assert.equal(formatPortNumbers([port(8080), port(80), port(8080)]), ':80 :8080');
  });

  it('makes code spans of text with backticks', () => {
    assert.equal(codeSpan('a'), '`a`');
    assert.equal(codeSpan('a`b'), '``a`b``');
    assert.equal(codeSpan('`b`'), '`` `b` ``');
  });

  it('shortens to one line', () => {
    assert.equal(shorten('a\n  b', 10), 'a b');
    assert.equal(shorten('abcdef', 4), 'abc…');
  });
});

describe('command lines', () => {
  it('splits plain words and quotes', () => {
    assert.deepEqual(parseCommandLine(`node "my app.js" --name='a b' c\\ d ""`), [
      'node',
      'my app.js',
      '--name=a b',
      'c d',
      '',
    ]);
  });

  it('hands what needs a shell to one', () => {
    for (const line of ['a | b', 'a && b', 'echo $HOME', 'PORT=1 node x', 'ls *.js', 'echo "$A"']) {
      assert.deepEqual(parseCommandLine(line), ['/bin/sh', '-c', line], line);
    }
  });

  it('does not take special characters in quotes for the shell’s', () => {
    assert.deepEqual(parseCommandLine(`node -e 'a | b; $c'`), ['node', '-e', 'a | b; $c']);
  });

  it('refuses nothing and half a quote', () => {
    assert.equal(parseCommandLine('  '), undefined);
    assert.equal(parseCommandLine('echo "a'), undefined);
  });

  it('joins what it split', () => {
    const words = ['node', 'my app.js', "it's", '--x=1', ''];
    assert.deepEqual(parseCommandLine(joinCommandLine(words)), words);
    assert.equal(joinCommandLine(['/bin/sh', '-c', 'a | b']), 'a | b');
  });
});

describe('addresses', () => {
  it('suggests a free name', () => {
    assert.equal(suggestName('beta.lan', []), 'beta');
    assert.equal(suggestName('beta.lan', ['beta', 'beta-2']), 'beta-3');
    assert.equal(suggestName('10.0.0.2', []), '10.0.0.2');
    assert.equal(suggestName('local', []), 'local-2');
  });

  it('finds the hosts of an SSH configuration', () => {
    const text = 'Include conf.d/*\nHost a b *.c !d # e\n  HostName x\nhost=f\nMatch host g\n';
    assert.deepEqual(hostsOf(text), ['a', 'b', 'f']);
    assert.deepEqual(includesOf(text), ['conf.d/*']);
  });
});

describe('problems', () => {
  it('say what failed, why and what to do', () => {
    const error = new FlickError('diskFull', 'The disk of beta is full', {
      remedy: 'Free 20 MB',
      logPath: '/x/log',
    });
    assert.deepEqual(describeProblem('Could not move web', error), {
      message: 'Could not move web: The disk of beta is full. Free 20 MB.',
      logPath: '/x/log',
    });
  });

  it('know a cancellation', () => {
    assert.equal(isCancellation(new FlickError('cancelled', 'x')), true);
    assert.equal(isCancellation(new Error('x')), false);
  });
});
