import assert from 'node:assert/strict';
import type { Route } from '../nodes.ts';
import { Application } from './application.ts';
import type { Visitor } from './servers.ts';

/** Calls `visit` over and over while `during` is under way. */
export async function meanwhile(
  visit: () => Promise<void>,
  during: () => Promise<void>,
): Promise<number> {
  let over = false;
  let visits = 0;
  const visiting = (async () => {
    while (!over) {
      const began = Date.now();
      await visit();
      visits += 1;
      // A person is not as fast as a loop, and a moment without a request is when a program can move: where answers take
      // long, such a moment has to be as long.
      await new Promise((resolve) => setTimeout(resolve, Math.max(5, Date.now() - began)));
    }
  })();
  const moving = during().finally(() => (over = true));
  await Promise.all([visiting, moving]);
  return visits;
}

/** Moves an application along a route while somebody uses it. */
export async function serve(visitor: Visitor, route: Route): Promise<void> {
  const app = new Application(visitor.file);
  try {
    await app.start(route[0]);
    await visitor.begin(app);
    await travel(app, route, visitor);
  } finally {
    await app.dispose();
  }
}

async function travel(app: Application, route: Route, visitor: Visitor): Promise<void> {
  for (const target of route.slice(1)) {
    const visits = await meanwhile(
      () => visitor.visit(app),
      async () => void (await app.move(target)),
    );
    assert.ok(visits > 0);
    // One after the other: of two requests of one session at once, one may lose what the other wrote.
    await visitor.visit(app);
    await visitor.check(app);
  }
}
