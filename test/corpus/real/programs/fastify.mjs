// A Fastify application: plugins, decorators, hooks, schemas, and sessions in memory by cookie.
import Fastify from 'fastify';

const app = Fastify({ logger: false });
const sessions = new Map();
app.decorateRequest('session', null);
app.decorate('total', () => [...sessions.values()].reduce((sum, { cart }) => sum + cart.length, 0));
app.addHook('onRequest', async (request, reply) => {
  let id = /sid=(\w+)/.exec(request.headers.cookie ?? '')?.[1];
  if (!sessions.has(id)) {
    id = `s${sessions.size + 1}`;
    sessions.set(id, { visits: 0, cart: [] });
    reply.header('set-cookie', `sid=${id}; Path=/`);
  }
  request.session = sessions.get(id);
});
const item = {
  type: 'object',
  required: ['name', 'amount'],
  properties: { name: { type: 'string', minLength: 2 }, amount: { type: 'integer', minimum: 1 } },
};
await app.register(
  async (shop) => {
    shop.post('/cart', { schema: { body: item } }, async ({ session, body }, reply) => {
      session.cart.push(body);
      return reply.code(201).send({ items: session.cart.length, total: shop.total() });
    });
    shop.get('/cart', async ({ session }) => session.cart);
  },
  { prefix: '/shop' },
);
app.get('/visits', async ({ session }) => ({ visits: (session.visits += 1) }));
await app.listen({ port: 0, host: '127.0.0.1' });
console.log('port', app.server.address().port);
