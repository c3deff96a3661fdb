import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { SampledTests } from '../../support/sampledTests.ts';
import { isFullRun } from '../../support/seed.ts';
import { skip } from '../../support/skip.ts';
import { moveAtTurns, References } from '../campaign.ts';
import { buildProgram, readCatalogue, type CorpusProgram } from '../catalogue.ts';
import { isThere, routes, type Route } from '../nodes.ts';
import { Application } from './application.ts';
import { ChatMember } from './chatMember.ts';
import { meanwhile, serve } from './journey.ts';
import {
  expressVisitor,
  fastifyVisitor,
  graphqlVisitor,
  koaVisitor,
  type Visitor,
} from './servers.ts';

const makers: readonly (() => Visitor)[] = [
  expressVisitor,
  fastifyVisitor,
  koaVisitor,
  graphqlVisitor,
];

/** One is enough for `npm test`: a way that programs take when their Node.js is renewed. */
const taken: readonly Route[] = isFullRun ? routes : [['20', '24']];

describe('real applications of npm move with the portable engine', function () {
  this.timeout(600_000);

  before(function () {
    const missing = taken.flat().find((node) => !isThere(node));
    if (missing !== undefined) skip(this, `Node ${missing} could not be had on this machine`);
  });

  const tests = new SampledTests('real applications');
  for (const route of taken) {
    const title = route.join(' → ');
    for (const make of makers) {
      tests.add(`${make().name}, ${title}`, () => serve(make(), route));
    }
    tests.add(`a chat over WebSockets, ${title}`, () => chat(route));
    tests.add(`a bot with node-cron and axios, ${title}`, () => bot(route));
    for (const program of readCatalogue(join(import.meta.dirname, 'programs'))) {
      tests.add(`${program.name}: ${program.survives}, ${title}`, () => perform(program, route));
    }
  }
  tests.register(1);
});

/** How far one has come when it is asked depends on the machine; nothing else does. */
async function perform(program: CorpusProgram, route: Route): Promise<void> {
  await buildProgram(program);
  const turns = isFullRun ? 4 : 1;
  const attempts = await moveAtTurns(program, new References(), route, turns);
  const kinds = attempts.map(({ outcome }) => outcome.kind);
  assert.ok(!kinds.includes('wrong'), JSON.stringify(attempts));
  if (isFullRun) assert.ok(kinds.includes('moved'), JSON.stringify(attempts));
}

async function chat(route: Route): Promise<void> {
  const app = new Application('chat.mjs');
  const members: ChatMember[] = [];
  try {
    await app.start(route[0]);
    const [ann, bob, cy] = ['ann', 'bob', 'cy'].map((name) => {
      const member = new ChatMember(app, name === 'cy' ? 'other' : 'room', name);
      members.push(member);
      return member;
    });
    assert.ok(ann !== undefined && bob !== undefined && cy !== undefined);
    await ann.say('hello');
    await cy.say('alone');
    let said = 0;
    for (const target of route.slice(1)) {
      const before: number = bob.connections;
      await meanwhile(
        () => ((said += 1), ann.say(`line ${String(said)}`)),
        async () => {
          await app.move(target);
          await bob.say(`on ${target} after ${String(said)}`);
        },
      );
      assert.equal(bob.connections, before + 1, 'bob has connected again, once');
    }
    await ann.say('over');
    await bob.say('over and out');
    assert.deepEqual(ann.lines, bob.lines);
    assert.equal(ann.lines[0], 'ann: hello');
    assert.equal(new Set(ann.lines).size, ann.lines.length);
    await cy.say('still alone');
    assert.deepEqual(cy.lines, ['cy: alone', 'cy: still alone']);
  } finally {
    for (const member of members) member.leave();
    await app.dispose();
  }
}

async function bot(route: Route): Promise<void> {
  const tasks: number[] = [];
  const reports: { round: number; tally: Record<string, number> }[] = [];
  const kinds = ['a', 'b', 'c'];
  const server = createServer(async (request: IncomingMessage, response) => {
    const url = new URL(request.url ?? '', 'http://bot');
    if (url.pathname === '/task') {
      const round = Number(url.searchParams.get('round'));
      if (!tasks.includes(round)) tasks.push(round);
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ kind: kinds[round % 3], amount: round }));
      return;
    }
    let body = '';
    for await (const chunk of request) body += String(chunk);
    reports.push(JSON.parse(body) as (typeof reports)[number]);
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const app = new Application('bot.cjs', {
    BOT_PORT: String((server.address() as AddressInfo).port),
  });
  try {
    await app.start(route[0]);
    await app.shows(/^round 1$/m);
    for (const [index, target] of route.slice(1).entries()) {
      await app.move(target);
      await app.shows(new RegExp(`^round ${String(index * 2 + 3)}$`, 'm'));
    }
    const rounds = [...app.output.matchAll(/^round (\d+)$/gm)].map((match) => Number(match[1]));
    const all = Array.from({ length: rounds.length }, (_, index) => index + 1);
    assert.deepEqual(rounds, all, 'no round is missing or done twice');
    const tally: Record<string, number> = {};
    for (const round of all) {
      const kind = kinds[round % 3] ?? '';
      tally[kind] = (tally[kind] ?? 0) + round;
      assert.deepEqual(reports.filter((report) => report.round === round).at(-1)?.tally, tally);
    }
    assert.deepEqual(tasks.slice(0, all.length), all);
  } finally {
    await app.dispose();
    server.closeAllConnections();
    server.close();
  }
}
