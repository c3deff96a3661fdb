// A Koa application: middleware around middleware, and sessions in a store in memory.
const Koa = require('koa');
const { createSession } = require('koa-session');

const app = new Koa();
app.keys = ['corpus'];
const stored = new Map();
const store = {
  get: async (key) => stored.get(key),
  set: async (key, value) => void stored.set(key, value),
  destroy: async (key) => void stored.delete(key),
};
app.use(async (context, next) => {
  const before = stored.size;
  await next();
  context.set('x-sessions', `${before}`);
});
app.use(createSession({ store, key: 'koa' }, app));
app.use(async (context) => {
  const { session, path } = context;
  if (path === '/gone') context.throw(410, 'gone for good');
  session.trail = [...(session.trail ?? []), path].slice(-4);
  await new Promise((done) => setTimeout(done, 2));
  context.body = { trail: session.trail };
});
const server = app.listen(0, '127.0.0.1', () => console.log('port', server.address().port));
