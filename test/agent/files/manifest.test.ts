import assert from 'node:assert/strict';
import * as v from 'valibot';
import { entry, isCarriable, manifest } from '../../../agent/files/manifest.ts';
import { fileOf } from './support.ts';

describe('manifest of files', () => {
  it('takes plain paths, with spaces and newlines', () => {
    for (const path of ['/a', '/a b/c\nd', '/dev/shm/x', '/home/ü/.x', '/procedures/x', '/...']) {
      assert.equal(isCarriable(path), true, path);
    }
  });

  it('refuses hostile paths', () => {
    const hostile = [
      ...['', 'a', './a', '/a/../b', '/..', '/a/.', '/a//b', '/a/', '//', '/a\0b'],
      ...['/proc/1/mem', '/proc', '/sys/x', '/dev/sda', '/dev', '/dev/shm', '/dev/shm/../sda'],
      ...[`/${'x'.repeat(256)}`, `/${'abc/'.repeat(1100)}x`],
    ];
    for (const path of hostile) assert.equal(isCarriable(path), false, JSON.stringify(path));
  });

  it('refuses wrong sizes, modes and hashes, and a path that comes twice', () => {
    const good = fileOf('/a', 'x');
    assert.equal(v.is(entry, good), true);
    for (const bad of [{ size: -1 }, { size: 1.5 }, { size: 2 ** 53 }, { mode: 0o10000 }]) {
      assert.equal(v.is(entry, { ...good, ...bad }), false, JSON.stringify(bad));
    }
    assert.equal(v.is(entry, { ...good, sha256: 'A'.repeat(64) }), false);
    assert.equal(v.is(manifest, [good, good]), false);
    assert.equal(v.is(manifest, [good, fileOf('/b', '')]), true);
    const huge = { ...good, size: 16 * 2 ** 40 };
    assert.equal(v.is(manifest, [huge, { ...huge, path: '/b' }]), false);
  });
});
