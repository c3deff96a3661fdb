// An Express application with sessions in memory, middleware of its own, a router and an error handler.
const express = require('express');
const session = require('express-session');

const app = express();
const notes = new Map();
let requests = 0;
app.use((request, response, next) => {
  requests += 1;
  response.set('x-requests', String(requests));
  next();
});
app.use(express.json());
app.use(session({ secret: 'corpus', resave: false, saveUninitialized: true }));
const router = express.Router({ mergeParams: true });
router.param('id', (request, response, next, id) => {
  request.note = notes.get(id);
  next();
});
router.get('/:id', ({ note }, response) =>
  note === undefined ? response.sendStatus(404) : response.json(note),
);
router.put('/:id', (request, response) => {
  notes.set(request.params.id, { text: request.body.text, by: request.session.id });
  response.status(201).json({ count: notes.size });
});
app.use('/notes', router);
app.get('/visits', (request, response) => {
  request.session.visits = (request.session.visits ?? 0) + 1;
  response.json({ visits: request.session.visits, notes: notes.size });
});
app.get('/broken', async () => {
  throw Object.assign(new Error('on purpose'), { status: 503 });
});
app.use((error, request, response, _next) => {
  response.status(error.status ?? 500).json({ error: error.message });
});
const server = app.listen(0, '127.0.0.1', () => console.log('port', server.address().port));
