// A bot: node-cron starts a round each second, axios asks a server whose port stands in its environment.
const cron = require('node-cron');
const axios = require('axios');

const client = axios.create({ baseURL: `http://127.0.0.1:${process.env.BOT_PORT}`, timeout: 5000 });
client.interceptors.response.use(undefined, async (error) => {
  // As any client has to: a connection may have been closed while it was idle.
  if (error.config === undefined || error.config.retried || error.response) throw error;
  return client.request({ ...error.config, retried: true });
});
const tally = new Map();
let round = 0;
// On a busy machine a round may take longer than a second: one that begins meanwhile would count as this one too.
const settings = { noOverlap: true };
const work = async () => {
  round += 1;
  const { data } = await client.get('/task', { params: { round } });
  tally.set(data.kind, (tally.get(data.kind) ?? 0) + data.amount);
  await client.post('/report', { round, tally: Object.fromEntries(tally) });
  console.log('round', round);
};
const task = cron.schedule('* * * * * *', work, settings);
process.on('SIGTERM', async () => {
  await task.stop();
  process.exit(0);
});
console.log('port', process.env.BOT_PORT);
