import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { rmSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireProgram, root } from '../../support/provisioned.ts';
import { seededRandom } from '../../support/seed.ts';
import { inspectorLines, withoutInspectorLines } from './inspectorLines.ts';

/** One life of the filter: commands of hushBench.c, each `show` of which answers with what has passed. */
class Script {
  readonly commands: string[] = [];

  hush(ms: number): this {
    this.commands.push(`hush ${String(ms)}`);
    return this;
  }

  read(...pieces: readonly string[]): this {
    for (const piece of pieces) {
      this.commands.push(`read ${Buffer.from(piece, 'latin1').toString('hex')}`);
    }
    return this;
  }

  wait(ms: number): this {
    this.commands.push(`wait ${String(ms)}`);
    return this;
  }

  show(): this {
    this.commands.push('show');
    return this;
  }
}

/** Some of the app's output with all of the inspector's lines in it: after prompts, in raw mode, in colors, in UTF-8. */
const sample = [
  'hello\r\n> ',
  ...inspectorLines.slice(0, 4).map((line) => `${line}\r\n`),
  'DeDebugger attached.\r\n\x1b[32mgr\xc3\xbcn\x1b[0m\r\n',
  'For help: see Debugger listening on ws://',
  ...inspectorLines.slice(4).map((line) => `${line}\n`),
  '\0\xff Debugger attached!\r\nW',
].join('');

describe("the keeper's filter for lines of the inspector", function () {
  this.timeout(60_000);
  let folder: string;
  before(function () {
    requireProgram(this, 'gcc');
    folder = mkdtempSync(join(tmpdir(), 'flick-hush-'));
    const flags = ['-std=gnu17', '-O1', '-g', '-Wall', '-Wextra', '-Werror'];
    const checks = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
    const sources = ['test/agent/keeper/hushBench.c', 'agent/keeper/native/hush.c'];
    const { status, stderr } = spawnSync(
      'gcc',
      [
        ...flags,
        ...checks,
        '-o',
        join(folder, 'bench'),
        ...sources.map((file) => join(root, file)),
      ],
      { encoding: 'utf8' },
    );
    assert.equal(status, 0, stderr);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  function run(...scripts: readonly Script[]): string[] {
    const { status, stdout, stderr } = spawnSync(join(folder, 'bench'), {
      input: scripts.flatMap(({ commands }) => commands.map((line) => `${line}\n`)).join(''),
      encoding: 'latin1',
      maxBuffer: 1 << 30,
    });
    assert.equal(status, 0, stderr);
    return stdout
      .split('\n')
      .slice(0, -1)
      .map((hex) => Buffer.from(hex, 'hex').toString('latin1'));
  }

  /** What is left of an output that is read in these pieces, all of it at once. */
  function sifted(cuts: readonly (readonly string[])[]): string[] {
    return run(
      ...cuts.map((pieces) =>
        new Script()
          .hush(600_000)
          .read(...pieces)
          .hush(0)
          .show(),
      ),
    );
  }

  function everySplit(text: string): string[][] {
    return Array.from({ length: text.length + 1 }, (_, at) => [text.slice(0, at), text.slice(at)]);
  }

  it('drops each of them wherever it begins, and wherever a read cuts it', () => {
    const kept =
      'hello\r\n> De\x1b[32mgr\xc3\xbcn\x1b[0m\r\nFor help: see Debugger listening on ws://\0\xff Debugger attached!\r\nW';
    assert.equal(withoutInspectorLines(sample), kept);
    const cuts = [[sample], [...sample], ...everySplit(sample)];
    for (const [index, text] of sifted(cuts).entries()) {
      assert.equal(text, kept, `cut ${JSON.stringify(cuts[index])}`);
    }
  });

  it('passes everything on while nobody asked for silence', () => {
    const script = new Script().read(...sample).show();
    assert.deepEqual(run(script), [sample]);
    const after = new Script().hush(1000).wait(1000).read(sample).show();
    assert.deepEqual(run(after), [sample]);
  });

  it('passes on what only looks similar', () => {
    const similar = [
      'Debugger attached.',
      'Debugger attached. \r\n',
      'Debugger attached.\r\r\n',
      'debugger attached.\r\n',
      'Debugger attached!\r\n',
      'The Debugger is attached.\r\n',
      'Debugger listening on ws://\r\n',
      'Debugger listening on ws://host/id for you\r\n',
      'Debugger listening on http://127.0.0.1:9229/\r\n',
      'Debugger listening on ws://h\x1b[0m\r\n',
      'Debugger listening on ws://h\x7f\r\n',
      'Debugger listening on ws://hüt\r\n',
      'For help, see: https://example.org/\r\n',
      'For help, see: https://nodejs.org/\r\n',
      'For help, see: https://nodejs.org/api and others\r\n',
      'Waiting for the debugger to disconnect…\r\n',
      'Waiting for the debugger to disconnect....\r\n',
      'Starting inspector on  failed: x\r\n',
      'Starting inspector on 127.0.0.1:9229\r\n',
      'Starting inspector on 127.0.0.1:9229 failed: \r\n',
      'Starting inspector on 127.0.0.1:9229 failed: \x1b[31mno\r\n',
      '(node:4711) Warning: Debugger attached. (Use `node --trace-warnings ...`)\r\n',
      'DDDDebugger Debugger Waiting for For help, see Starting inspector on\r\n',
    ].map((text) => Buffer.from(text).toString('latin1'));
    for (const text of similar) {
      for (const left of sifted([...everySplit(text), [...text]])) assert.equal(left, text);
    }
  });

  it('passes on a line of more than 512 bytes, its end included', () => {
    for (const begin of ['Debugger ending on ws://', 'Starting inspector on a:1 failed: ']) {
      for (const end of ['\n', '\r\n']) {
        const longest = begin.padEnd(512 - end.length, 'x') + end;
        const longer = begin.padEnd(513 - end.length, 'x') + end;
        const endless = begin.padEnd(100_000, 'x');
        assert.deepEqual(new Set(sifted([...everySplit(longest), [...longest]])), new Set(['']));
        assert.deepEqual(new Set(sifted([...everySplit(longer), [...longer]])), new Set([longer]));
        assert.deepEqual(sifted([[endless + end], [...endless]]), [endless + end, endless]);
        const hidden = `${begin}${'x'.repeat(600)}Debugger attached.${end}`;
        const kept = sifted([[hidden], [...hidden]]);
        assert.deepEqual(kept, Array(2).fill(`${begin}${'x'.repeat(600)}`));
      }
    }
  });

  it('does the same as its description to any mixture in any pieces', () => {
    const draw = seededRandom('hush');
    const random = (below: number): number => Math.floor(draw() * below);
    const parts = [
      ...inspectorLines,
      ...inspectorLines.map((line) => line.slice(0, Math.floor(line.length / 2))),
      ...['\r\n', '\n', '\r', ' ', 'D', 'x'.repeat(300), '\x1b[K', '\xff', ' failed: '],
    ];
    const cuts = Array.from({ length: 1500 }, () => {
      const text = Array.from({ length: 1 + random(40) }, () => {
        const part = parts[random(parts.length)] ?? '';
        return random(2) === 0 ? part : `${part}${random(2) === 0 ? '\r\n' : '\n'}`;
      }).join('');
      const pieces: string[] = [];
      for (let at = 0; at < text.length;) {
        const size = 1 + random(random(3) === 0 ? 6000 : 40);
        pieces.push(text.slice(at, at + size));
        at += size;
      }
      return pieces;
    });
    for (const [index, left] of sifted(cuts).entries()) {
      assert.equal(left, withoutInspectorLines(cuts[index]?.join('') ?? ''));
    }
  });

  it('holds back nothing but what may begin such a line, and that for 50 ms', () => {
    const script = new Script().hush(600_000);
    script.read('> Debugger list').show().wait(49).show().wait(1).show();
    script.read('ening on ws://h/1\r\n').show();
    script.read('Debugger attached.\r').wait(49).read('\nW').show().wait(50).show();
    const beginning = 'Debugger list';
    const shown = ['> ', '', beginning, 'ening on ws://h/1\r\n', '', 'W'];
    assert.deepEqual(run(script), shown);
  });

  it('holds back for a quarter of a second what comes letter by letter', () => {
    const script = new Script().hush(600_000);
    for (const letter of 'Debugger attached.') script.read(letter).wait(40).show();
    const shown = run(script);
    assert.equal(shown.join(''), 'Debugger attached.');
    assert.deepEqual(shown.slice(0, 7), [...Array<string>(6).fill(''), 'Debugge']);
  });

  it('lets go of what it holds when the hush ends, and goes on when it is prolonged', () => {
    const ended = new Script().hush(1000).read('Debugger att').hush(0).show();
    const over = new Script().hush(30).read('Debugger att').wait(29).show().wait(1).show();
    const late = new Script().hush(30).read('Debugger att').wait(31).read('ached.\r\n').show();
    const longer = new Script().hush(30).read('Debugger att').wait(20).hush(600_000).wait(20);
    longer.read('ached.\r\n').show();
    assert.deepEqual(run(ended), ['Debugger att']);
    assert.deepEqual(run(over), ['', 'Debugger att']);
    assert.deepEqual(run(late), ['Debugger attached.\r\n']);
    assert.deepEqual(run(longer), ['']);
  });
});
