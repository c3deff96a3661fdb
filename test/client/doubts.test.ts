import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { AgentFile } from '../../client/agentFile.ts';
import { Fleet } from '../../client/fleet.ts';
import { MoveNotes } from '../../client/moveNotes.ts';
import {
  listDoubts,
  queryHandoff,
  settleHandoff,
  type HandoffVerdict,
} from '../../protocol/index.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { eventually } from '../system/labFixture.ts';
import { FakeAgent } from './fakeAgent.ts';

const handoff = 'h-0123456789abcdef';

/** A source that has released a process and lost sight of it; `peer` is what it was told the target is called. */
function doubtful(agent: FakeAgent, peer: string): FakeAgent {
  let open = true;
  return agent
    .on(listDoubts, () =>
      Promise.resolve({
        doubts: open ? [{ handoff, process: 'p-0123456789', role: 'source' as const, peer }] : [],
      }),
    )
    .on(queryHandoff, () => Promise.resolve({ verdict: open ? 'released' : 'unknown' }))
    .on(settleHandoff, ({ peerVerdict }) => {
      open = false;
      return Promise.resolve({ runsHere: peerVerdict !== 'running' && peerVerdict !== 'done' });
    });
}

function knowing(agent: FakeAgent, verdict: HandoffVerdict): FakeAgent {
  return agent
    .on(listDoubts, () => Promise.resolve({ doubts: [] }))
    .on(queryHandoff, () => Promise.resolve({ verdict }))
    .on(settleHandoff, () => Promise.resolve({ runsHere: true }));
}

describe('a move in doubt', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let fleet: Fleet;
  let alpha: FakeAgent;
  let beta: FakeAgent;

  const start = async (): Promise<void> => {
    const local = new FakeAgent(folder.path, 'local');
    fleet = new Fleet({
      home: folder.path,
      agentFile: new AgentFile('/nowhere'),
      prompter: {
        passphrase: () => Promise.resolve(undefined),
        confirmHostKey: () => Promise.resolve(false),
      },
      createTransport: (entry) =>
        ({ alpha, beta })[entry?.name ?? '']?.transport() ?? local.transport(),
    });
    await Promise.all([alpha.listen(), beta.listen()]);
    for (const name of ['alpha', 'beta']) await fleet.addDevice({ name, host: 'unused' });
  };
  const asked = (): unknown =>
    alpha.requests.find((each) => each.method === settleHandoff.method)?.params;
  /** What the source was told, once it was. */
  const settlement = (): Promise<unknown> => eventually(async () => asked(), 'it is settled');
  /** Long enough for what should not come. */
  const staysOpen = async (): Promise<void> => {
    await delay(400);
    assert.equal(asked(), undefined);
  };

  beforeEach(() => {
    folder = temporaryFolder();
    alpha = new FakeAgent(folder.path, 'alpha');
    beta = new FakeAgent(folder.path, 'beta');
  });
  afterEach(() => {
    fleet.dispose();
    alpha.close();
    beta.close();
    folder.remove();
  });

  it('is settled for the target by itself, as soon as both devices are there', async () => {
    doubtful(alpha, 'beta');
    knowing(beta, 'running');
    await start();
    await fleet.device('alpha').connect();
    await delay(50);
    assert.ok(!alpha.methods().includes(settleHandoff.method));
    await fleet.device('beta').connect();
    assert.deepEqual(await settlement(), { handoff, peerVerdict: 'running' });
  });

  it('is settled for the source when the target is known to have nothing', async () => {
    doubtful(alpha, 'beta');
    knowing(beta, 'unknown');
    await start();
    await new MoveNotes(folder.path).write(handoff, { source: 'd-alpha', target: 'd-beta' });
    await fleet.device('beta').connect();
    await fleet.device('alpha').connect();
    assert.deepEqual(await settlement(), { handoff, peerVerdict: 'unknown' });
    await eventually(async () => {
      const note = await new MoveNotes(folder.path).read(handoff);
      return note === undefined ? true : undefined;
    }, 'nothing is noted any more');
  });

  it('stays open when another machine bears the target’s name now', async () => {
    doubtful(alpha, 'beta');
    knowing(beta, 'unknown');
    await start();
    await new MoveNotes(folder.path).write(handoff, { source: 'd-alpha', target: 'd-another' });
    await fleet.device('beta').connect();
    await fleet.device('alpha').connect();
    await staysOpen();
    assert.deepEqual(await fleet.settleDoubts(), []);
  });

  it('stays open when nobody knows who took part and the device knows nothing', async () => {
    doubtful(alpha, 'beta');
    knowing(beta, 'unknown');
    await start();
    await fleet.device('beta').connect();
    await fleet.device('alpha').connect();
    await staysOpen();
  });
});
