// Must survive: channels of node:diagnostics_channel, alone and five of them under one name
const { channel, hasSubscribers, tracingChannel } = require('node:diagnostics_channel');
const work = tracingChannel('corpus:work');
const single = channel('corpus:single');
const mixed = tracingChannel({
  start: single,
  end: channel('corpus:end'),
  asyncStart: channel('corpus:async-start'),
  asyncEnd: channel('corpus:async-end'),
  error: work.error,
});
work.label = 'labelled';
const named = ({ start, end, asyncStart, asyncEnd, error }) =>
  [start, end, asyncStart, asyncEnd, error].map(({ name }) => name).join();
const told = [];
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  const product = work.traceSync((factor) => turn * factor, { turn }, undefined, 3);
  console.log(turn, product, Boolean(mixed.hasSubscribers), named(turn % 2 === 0 ? work : mixed));
  if (turn < 40) return;
  clearInterval(timer);
  work.subscribe({ start: ({ word }) => told.push(word), end: ({ result }) => told.push(result) });
  work.traceSync(() => 'did', { word: 'does' });
  const isSame = channel('corpus:single') === single && mixed.start === single;
  console.log('end', told.join(), isSame, mixed.error === work.error, work.label);
  console.log(hasSubscribers('tracing:corpus:work:start'), hasSubscribers('corpus:single'));
}, 25);
