import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { outputMark, remoteCommand } from '../../../../client/transports/ssh/remoteCommand.ts';
import { requireProgram } from '../../../support/provisioned.ts';

const words = [
  '',
  "it's",
  '"double"',
  '$HOME `id` $(id)',
  'a\nb\n',
  '\\',
  '\\n',
  '!x',
  '%41',
  'é☃',
];

describe('a command for a login shell of any kind', () => {
  for (const shell of ['dash', 'bash', 'zsh', 'fish', 'tcsh', 'busybox']) {
    it(`reaches sh unchanged through ${shell}`, function () {
      const path = requireProgram(this, shell);
      const script = 'printf "%s\\0" "$#" "$@"\nif true; then echo done >&2; fi # it\'s a comment';
      const args = shell === 'busybox' ? ['sh', '-c'] : ['-c'];
      const result = spawnSync(path, [...args, remoteCommand(script, words)]);
      const mark = new RegExp(`^${outputMark} \\d+\n`);
      assert.match(result.stdout.toString(), mark);
      const printed = result.stdout.toString().replace(mark, '').split('\0').slice(0, -1);
      assert.deepEqual(printed, [String(words.length), ...words]);
      assert.equal(result.stderr.toString().replace(mark, ''), 'done\n');
    });
  }

  it('is one line of harmless characters', () => {
    assert.match(
      remoteCommand('a\nb\\ !\'"', words),
      /^sh -c '[^'!\n]+' sh '[A-Za-z0-9_/.:=,%-]+'$/,
    );
  });

  it('leaves standard input and the exit status to the script', () => {
    const command = remoteCommand('cat; exit 7');
    const result = spawnSync('sh', ['-c', command], { input: 'input', encoding: 'utf8' });
    assert.match(result.stdout, /\ninput$/);
    assert.equal(result.status, 7);
  });
});
