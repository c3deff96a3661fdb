import assert from 'node:assert/strict';
import type { Application, Reply } from './application.ts';

/** Somebody who uses an application from outside, and knows what it has to remember. */
export interface Visitor {
  readonly name: string;
  /** Its file in programs/. */
  readonly file: string;
  /** Gives it state. */
  begin(app: Application): Promise<void>;
  /** One visit; called over and over, also while it moves. What was answered once must be remembered. */
  visit(app: Application): Promise<void>;
  /** Looks at all of its state. */
  check(app: Application): Promise<void>;
}

const cookie = (reply: Reply): string =>
  [reply.headers['set-cookie'] ?? []]
    .flat()
    .map((text) => text.split(';')[0] ?? '')
    .join('; ');

/** The number must be larger than the last one: not once and not twice forgotten. */
function rises(last: number, now: unknown): number {
  assert.ok(typeof now === 'number' && now > last, `${String(now)} comes after ${String(last)}`);
  return now;
}

export function expressVisitor(): Visitor {
  let session = '';
  let visits = 0;
  let requests = 0;
  const note = async (app: Application, id: string, text: string): Promise<void> => {
    const made = await app.ask(`/notes/${id}`, {
      method: 'PUT',
      body: { text },
      headers: { cookie: session },
    });
    assert.equal(made.status, 201, made.body);
  };
  return {
    name: 'Express with sessions in memory',
    file: 'express.cjs',
    begin: async (app) => {
      session = cookie(await app.ask('/visits'));
      assert.match(session, /^connect\.sid=/);
      visits = 1;
      await note(app, 'first', 'written before any move');
    },
    visit: async (app) => {
      const reply = await app.ask('/visits', { headers: { cookie: session } });
      visits = rises(visits, (JSON.parse(reply.body) as { visits: number }).visits);
      requests = rises(requests, Number(reply.headers['x-requests']));
    },
    check: async (app) => {
      const first = await app.ask('/notes/first');
      assert.match(first.body, /written before any move/);
      await note(app, `n${String(visits)}`, 'again');
      assert.equal((await app.ask(`/notes/n${String(visits)}`)).status, 200);
      const broken = await app.ask('/broken');
      assert.deepEqual([broken.status, broken.body], [503, '{"error":"on purpose"}']);
      assert.equal((await app.ask('/notes/none')).status, 404);
      const stranger = JSON.parse((await app.ask('/visits')).body) as { visits: number };
      assert.equal(stranger.visits, 1);
    },
  };
}

export function fastifyVisitor(): Visitor {
  let session = '';
  let visits = 0;
  let items = 0;
  return {
    name: 'Fastify with schemas, hooks and sessions',
    file: 'fastify.mjs',
    begin: async (app) => {
      session = cookie(await app.ask('/visits'));
      visits = 1;
    },
    visit: async (app) => {
      const reply = await app.ask('/visits', { headers: { cookie: session } });
      visits = rises(visits, (JSON.parse(reply.body) as { visits: number }).visits);
    },
    check: async (app) => {
      const headers = { cookie: session };
      const put = { method: 'POST', headers, body: { name: 'pen', amount: 2 } };
      const made = await app.ask('/shop/cart', put);
      assert.equal(made.status, 201, made.body);
      items += 1;
      const cart = JSON.parse((await app.ask('/shop/cart', { headers })).body) as unknown[];
      assert.deepEqual(
        cart,
        Array.from({ length: items }, () => ({ name: 'pen', amount: 2 })),
      );
      const wrong = await app.ask('/shop/cart', { ...put, body: { name: 'x' } });
      assert.equal(wrong.status, 400);
    },
  };
}

export function koaVisitor(): Visitor {
  let session = '';
  let number = 0;
  const trail = async (app: Application): Promise<void> => {
    number += 1;
    const path = `/p${String(number)}`;
    const reply = await app.ask(path, { headers: { cookie: session } });
    const seen = (JSON.parse(reply.body) as { trail: string[] }).trail;
    assert.equal(seen.at(-1), path);
    if (number > 1) assert.ok(seen.includes(`/p${String(number - 1)}`), reply.body);
  };
  return {
    name: 'Koa with sessions in a store',
    file: 'koa.cjs',
    begin: async (app) => {
      session = cookie(await app.ask('/start'));
      assert.match(session, /^koa=/);
    },
    visit: trail,
    check: async (app) => {
      await trail(app);
      const gone = await app.ask('/gone');
      assert.deepEqual([gone.status, gone.body], [410, 'gone for good']);
    },
  };
}

export function graphqlVisitor(): Visitor {
  let added = 0;
  const query = async (app: Application, text: string): Promise<Record<string, unknown>> => {
    const reply = await app.ask('/', { method: 'POST', body: { query: text } });
    const { data, errors } = JSON.parse(reply.body) as {
      data?: Record<string, unknown>;
      errors?: unknown;
    };
    assert.equal(errors, undefined, reply.body);
    return data ?? {};
  };
  const add = async (app: Application): Promise<void> => {
    const title = `book ${String(added + 1)}`;
    const data = await query(app, `mutation { add(title: "${title}", author: "Eve") { id } }`);
    added = rises(added, (data['add'] as { id: number }).id - 1);
  };
  return {
    name: 'a GraphQL server',
    file: 'graphql.mjs',
    begin: add,
    visit: add,
    check: async (app) => {
      const { books } = await query(app, '{ books { title author { name books { id } } } }');
      const list = books as { title: string; author: { name: string; books: unknown[] } }[];
      assert.equal(list.length, added + 1);
      assert.deepEqual(list[0]?.author, { name: 'Ada', books: [{ id: 1 }] });
      assert.equal(list.at(-1)?.author.books.length, added);
      const wrong = await app.ask('/', { method: 'POST', body: { query: '{ nonsense }' } });
      assert.match(wrong.body, /Cannot query field/);
    },
  };
}
