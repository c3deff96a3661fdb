import assert from 'node:assert/strict';
import type { LinkState } from '../../../common/debuggee.ts';
import { RuntimeConnection } from '../../../debug-adapter/runtimeConnection.ts';
import { FlickError } from '../../../protocol/index.ts';
import { assertGolden } from './golden.ts';
import { openScene, requireNode, versions, type Scene } from './scene.ts';

const program = `
let count = 0;
function step() {
  const before = count; // first
  count += 1; // second
  return before + count; // third
}
setInterval(step, 20);
`;

for (const node of versions) {
  describe(`a session whose process moves, in Node.js ${node}`, () => {
    let scene: Scene;

    before(function () {
      requireNode(this, node);
    });
    beforeEach(async () => {
      scene = await openScene(program, node);
    });
    afterEach(() => scene.end());

    const arrived = (): LinkState => {
      const { place } = scene.debuggee;
      return { kind: 'attached', place: { ...place, device: 'beta' } };
    };

    async function stopAtFirst(): Promise<void> {
      await scene.talk.begin({ process: 'program' }, () => scene.breakAt('// first'));
      await scene.talk.event('stopped');
    }

    it('keeps the stop, its frames and what was looked at; a step pressed meanwhile happens once', async () => {
      const { talk, debuggee } = scene;
      talk.hide(/process \d+/g, 'process <pid>');
      await talk.begin({ process: 'program' }, () => scene.breakAt('// first'));
      await talk.event('process');
      await talk.event('stopped');
      const { id: frameId } = await talk.top();
      await talk.ask('evaluate', { expression: 'count', frameId });
      talk.note('the process leaves for beta');
      debuggee.setState({ kind: 'moving', to: 'beta' });
      debuggee.breakLink();
      await talk.event('invalidated');
      await talk.ask('threads');
      const stepped = talk.ask('next', { threadId: 1 });
      const again = talk.ask('next', { threadId: 1 });
      const value = talk.ask('evaluate', { expression: 'count + 1', frameId });
      assert.deepEqual(talk.unexpected('continued', 'stopped', 'terminated'), []);
      talk.note('it arrives');
      debuggee.restoreLink();
      debuggee.setState(arrived());
      await Promise.all([stepped, again, value.catch(() => undefined)]);
      await talk.event('stopped');
      await talk.event('invalidated');
      await talk.event('process', ({ startMethod }) => startMethod === 'attach');
      await talk.output(/beta/);
      await talk.ask('threads');
      const { line } = await talk.top();
      assert.equal(line, scene.line('// second'));
      assert.deepEqual(talk.unexpected('continued', 'stopped', 'terminated'), []);
    });

    it('says nothing when a move fails', async () => {
      const { talk, debuggee } = scene;
      await stopAtFirst();
      const { id: frameId } = await talk.top();
      const heard = talk.unexpected('output').length;
      debuggee.setState({ kind: 'moving', to: undefined });
      debuggee.breakLink();
      await talk.event('invalidated');
      await talk.ask('threads');
      debuggee.restoreLink();
      await talk.event('invalidated');
      await talk.ask('threads');
      await talk.ask('evaluate', { expression: 'count', frameId });
      assert.equal(talk.unexpected('output').length, heard);
      assert.deepEqual(talk.unexpected('continued', 'stopped', 'terminated'), []);
      assertGolden('failedMove', talk.transcript);
    });

    it('waits for a device that cannot be reached and says so', async () => {
      const { talk, debuggee } = scene;
      await stopAtFirst();
      debuggee.breakLink();
      debuggee.setState({ kind: 'waiting', why: 'The connection was lost.' });
      await talk.event('invalidated');
      await talk.output(/lost/);
      await talk.ask('threads');
      debuggee.restoreLink();
      await talk.output(/again/);
      await talk.ask('threads');
      await talk.ask('next', { threadId: 1 });
      await talk.event('stopped');
      assertGolden('waiting', talk.transcript);
    });

    it('sets everything again when the process ran on without it', async () => {
      const { talk, debuggee } = scene;
      await talk.begin({ process: 'program', keepStoppedFor: 0.05 }, () =>
        scene.breakAt('// first'),
      );
      await talk.event('stopped');
      // The runtime stays for as long as anybody debugs: here somebody else does, who is not away for so long.
      const link = debuggee.link();
      const other = new RuntimeConnection(link, 60_000);
      const connected = new Promise((resolve) => other.onDidConnect(resolve));
      link.start();
      await connected;
      debuggee.breakLink(500);
      await talk.event('continued');
      await talk.output(/out of reach for too long/);
      await talk.event('stopped');
      await talk.ask('continue', { threadId: 1 });
      other.dispose();
      assertGolden('ranOn', talk.transcript);
    });

    it('ends with an error when the process cannot be debugged any more', async () => {
      const { talk, debuggee } = scene;
      await stopAtFirst();
      debuggee.setState({
        kind: 'refused',
        error: new FlickError('notSupported', 'It is no Node.js process any more.', {
          remedy: 'Attach again.',
        }),
      });
      await talk.output(/no Node/);
      await talk.event('terminated');
      await talk.askInVain('next', { threadId: 1 });
      assertGolden('refused', talk.transcript);
    });
  });
}
