import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { transformSync } from 'esbuild';
import type { Event } from '../../../common/event.ts';
import type { FlickEvents } from '../../../protocol/index.ts';
import type { CdpThread } from '../../../debug-adapter/cdp.ts';
import { RuntimeConnection } from '../../../debug-adapter/runtimeConnection.ts';
import { Breakpoints } from '../../../debug-adapter/sources/breakpoints.ts';
import { Sources, type SourcesOptions } from '../../../debug-adapter/sources/sources.ts';
import { temporaryFolder } from '../../support/temporary.ts';
import { LocalDebuggee } from '../support/localDebuggee.ts';

const typed = `interface Item { readonly price: number }

export class Cart {
  #items: Item[] = [];

  add(item: Item): number {
    this.#items.push(item);
    return this.total();
  }

  total(): number {
    return this.#items.reduce((sum, each) => sum + each.price, 0);
  }
}
`;
const main = `const { Cart } = require('./cart.js');
const cart = new Cart();
setInterval(() => cart.add({ price: 2 }), 10);
`;

type Stop = FlickEvents['Flick.paused'];

for (const node of ['20', '24'] as const) {
  describe(`breakpoints in Node.js ${node}`, function () {
    this.timeout(90_000);
    const { signal } = new AbortController();
    let folder: ReturnType<typeof temporaryFolder>;
    let workspace: string;
    let device: string;
    let debuggee: LocalDebuggee | undefined;
    let connection: RuntimeConnection;
    let thread: CdpThread;
    let sources: Sources;
    let breakpoints: Breakpoints;
    let warnings: string[];

    beforeEach(() => {
      folder = temporaryFolder();
      workspace = join(folder.path, 'workspace');
      device = join(folder.path, 'device', 'srv');
      warnings = [];
    });
    afterEach(async () => {
      connection.dispose();
      await debuggee?.dispose();
      folder.remove();
    });

    function write(root: string, files: Record<string, string>): void {
      for (const [name, content] of Object.entries(files)) {
        mkdirSync(dirname(join(root, name)), { recursive: true });
        writeFileSync(join(root, name), content);
      }
    }

    /** The TypeScript as a compiler makes it, with a map beside it. */
    function compiled(options: { content?: boolean } = {}): Record<string, string> {
      const { code, map } = transformSync(typed, {
        loader: 'ts',
        format: 'cjs',
        sourcemap: true,
        sourcefile: '../src/cart.ts',
        sourcesContent: options.content ?? true,
      });
      return {
        'dist/cart.js': `${code}//# sourceMappingURL=cart.js.map\n`,
        'dist/cart.js.map': map,
      };
    }

    async function start(options: Partial<SourcesOptions> = {}): Promise<void> {
      const entry = join(device, 'dist/main.js');
      debuggee = await LocalDebuggee.start(entry, { node, isLocal: false });
      const link = debuggee.link();
      connection = new RuntimeConnection(link, 60_000);
      const connected = next(connection.onDidConnect);
      link.start();
      await connected;
      thread = connection.main;
      const { place } = debuggee;
      sources = new Sources({
        place: () => place,
        workspaceFolders: [workspace],
        skipFiles: ['<node_internals>/**'],
        sourceMaps: true,
        onWarning: (text) => warnings.push(text),
        ...options,
      });
      breakpoints = new Breakpoints({ sources });
      sources.attach(thread);
      await thread.send('Runtime.enable');
      const enabled = thread.send('Debugger.enable', {});
      breakpoints.attach(thread);
      await enabled;
    }

    async function run(): Promise<Stop> {
      const stop = next(thread.on('Flick.paused'));
      await thread.send('Flick.start');
      return stop;
    }

    async function placeOf({ paused }: Stop): Promise<[string | undefined, number]> {
      const { source, line } = await sources.locate(
        thread,
        paused.callFrames[0]?.location ?? { scriptId: '', lineNumber: 0 },
      );
      return [source.path, line];
    }

    const cart = (): string => join(workspace, 'src/cart.ts');

    it('stop in TypeScript that runs elsewhere, set before it is loaded', async () => {
      write(workspace, { 'src/cart.ts': typed, ...compiled() });
      write(device, { 'dist/main.js': main, ...compiled() });
      await start();
      const [pending] = await breakpoints.set(
        { source: { path: cart() }, breakpoints: [{ line: 8 }] },
        signal,
      );
      assert.equal(pending?.verified, false);
      assert.match(pending.message ?? '', /not loaded yet/);
      const changed = next(breakpoints.onDidChange);
      const stop = await run();
      assert.deepEqual(await placeOf(stop), [cart(), 8]);
      assert.deepEqual(breakpoints.hit(stop.paused), [pending.id]);
      assert.deepEqual([(await changed).verified, (await changed).line], [true, 8]);
    });

    it('stop also where the map does not hold the source, and nothing of it is built here', async () => {
      write(workspace, { 'src/cart.ts': typed });
      write(device, { 'dist/main.js': main, ...compiled({ content: false }) });
      await start();
      await breakpoints.set({ source: { path: cart() }, breakpoints: [{ line: 12 }] }, signal);
      assert.deepEqual(await placeOf(await run()), [cart(), 12]);
    });

    it('do not stop in a file of the same name with other content', async () => {
      write(workspace, {
        'lib/cart.js': 'exports.Cart = class {\n  add() {\n    return 1;\n  }\n};\n',
      });
      const other = 'exports.Cart = class {\n  add() {\n    return 2;\n  }\n};\n';
      write(device, { 'dist/main.js': main, 'dist/cart.js': other });
      await start();
      const [breakpoint] = await breakpoints.set(
        { source: { path: join(workspace, 'lib/cart.js') }, breakpoints: [{ line: 3 }] },
        signal,
      );
      let stops = 0;
      thread.on('Flick.paused')(() => (stops += 1));
      await thread.send('Flick.start');
      await new Promise((resolve) => setTimeout(resolve, 300));
      assert.equal(stops, 0);
      assert.equal(breakpoint?.verified, false);
    });

    it('stop there when somebody has said which folder is which', async () => {
      write(workspace, {
        'lib/cart.js': 'exports.Cart = class {\n  add() {\n    return 1;\n  }\n};\n',
      });
      const other = 'exports.Cart = class {\n  add() {\n    return 2;\n  }\n};\n';
      write(device, { 'dist/main.js': main, 'dist/cart.js': other });
      await start({ localRoot: join(workspace, 'lib'), remoteRoot: join(device, 'dist') });
      const path = join(workspace, 'lib/cart.js');
      await breakpoints.set({ source: { path }, breakpoints: [{ line: 3 }] }, signal);
      assert.deepEqual(await placeOf(await run()), [path, 3]);
    });

    it('keep their counts when others of the file change', async () => {
      write(workspace, { 'src/cart.ts': typed });
      write(device, { 'dist/main.js': main, ...compiled() });
      await start();
      const counted = { line: 8, hitCondition: '5' };
      const source = { path: cart() };
      await breakpoints.set({ source, breakpoints: [counted, { line: 12 }] }, signal);
      await run();
      // Stopped at the first call, after one hit of line 8 or none: four more are needed, not five.
      const [first] = await breakpoints.set({ source, breakpoints: [counted] }, signal);
      const stop = next(thread.on('Flick.paused'));
      await thread.send('Debugger.resume', {});
      assert.deepEqual(breakpoints.hit((await stop).paused), [first?.id]);
      const { result } = await thread.send('Debugger.evaluateOnCallFrame', {
        callFrameId: (await stop).paused.callFrames[0]?.callFrameId ?? '',
        expression: 'this.total()',
      });
      assert.equal(result.value, 10);
    });

    it('do not count any more once they were taken away, even when one is just being hit', async () => {
      write(workspace, { 'src/cart.ts': typed });
      write(device, { 'dist/main.js': main, ...compiled() });
      await start();
      const source = { path: cart() };
      const [set] = await breakpoints.set({ source, breakpoints: [{ line: 8 }] }, signal);
      const { paused } = await run();
      assert.deepEqual(breakpoints.hit(paused), [set?.id]);
      const removing = breakpoints.set({ source, breakpoints: [] }, signal);
      assert.equal(breakpoints.hit(paused), 'elsewhere');
      await removing;
      assert.equal(breakpoints.hit(paused), 'elsewhere');
      assert.deepEqual(breakpoints.hit({ ...paused, hitBreakpoints: [] }), []);
    });

    it('write messages, and say what is wrong with conditions and counts', async () => {
      write(workspace, { 'src/cart.ts': typed });
      write(device, { 'dist/main.js': main, ...compiled() });
      await start();
      const logged = next(thread.on('Flick.logged'));
      const set = await breakpoints.set(
        {
          source: { path: cart() },
          breakpoints: [
            { line: 8, logMessage: 'item {JSON.stringify({ item })} of {this.#items.length}' },
            { line: 7, condition: '1 +' },
            { line: 12, hitCondition: 'often' },
          ],
        },
        signal,
      );
      assert.match(set[1]?.message ?? '', /The condition cannot be read: SyntaxError/);
      assert.match(set[2]?.message ?? '', /is no hit count/);
      await thread.send('Flick.start');
      assert.equal((await logged).text, 'item {"item":{"price":2}} of 1');
    });

    it('show the generated file, with one warning, when its map is broken', async () => {
      for (const broken of [
        '{',
        '{"version":3}',
        JSON.stringify({ version: 3, sources: 'a', mappings: 'AAAA' }),
      ]) {
        warnings = [];
        write(workspace, {});
        write(device, { 'dist/main.js': main, ...compiled(), 'dist/cart.js.map': broken });
        await start();
        const source = { path: join(workspace, 'src/none.ts') };
        await breakpoints.set({ source, breakpoints: [{ line: 1 }] }, signal);
        const parsed = new Promise((resolve) => {
          sources.onDidParse(({ name }) => name === 'cart.js' && resolve(name));
        });
        await thread.send('Flick.start');
        await parsed;
        const script = sources.scripts.all().find(({ name }) => name === 'cart.js');
        assert.ok(script);
        const { source: shown } = await sources.locate(thread, {
          scriptId: script.scriptId,
          lineNumber: 0,
        });
        assert.equal(shown.name, 'cart.js');
        assert.equal(warnings.length, 1, broken);
        const { content } = await sources.source(
          { source: shown, sourceReference: shown.sourceReference ?? 0 },
          signal,
        );
        assert.match(content, /class Cart/);
        connection.dispose();
        await debuggee?.dispose();
      }
    });

    it('tell where they can be set', async () => {
      write(workspace, { 'src/cart.ts': typed });
      write(device, { 'dist/main.js': main, ...compiled() });
      await start();
      await breakpoints.set({ source: { path: cart() }, breakpoints: [{ line: 8 }] }, signal);
      await run();
      const places = await breakpoints.locations(
        { source: { path: cart() }, line: 7, endLine: 8 },
        signal,
      );
      assert.deepEqual([...new Set(places.map(({ line }) => line))], [7, 8]);
    });
  });
}

async function next<T>(event: Event<T>): Promise<T> {
  return new Promise((resolve) => {
    const subscription = event((value) => {
      subscription.dispose();
      resolve(value);
    });
  });
}
