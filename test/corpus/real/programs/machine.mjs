// Must survive: an XState machine in mid-flow: delayed transitions, an invoked promise, a child, history
import { assign, createActor, createMachine, fromCallback, fromPromise, sendTo } from 'xstate';
const pause = (ms, value) => new Promise((done) => setTimeout(done, ms, value));
const order = createMachine({
  id: 'order',
  initial: 'collecting',
  context: { items: [], attempts: 0, ticks: 0 },
  invoke: {
    id: 'clock',
    src: fromCallback(({ sendBack, receive }) => {
      let step = 1;
      receive(({ type }) => (step = type === 'FASTER' ? 2 : 1));
      const timer = setInterval(() => sendBack({ type: 'TICK', by: step }), 5);
      return () => clearInterval(timer);
    }),
  },
  on: { TICK: { actions: assign({ ticks: ({ context, event }) => context.ticks + event.by }) } },
  states: {
    collecting: {
      on: {
        ADD: { actions: assign({ items: ({ context, event }) => [...context.items, event.item] }) },
        PAY: { target: 'paying', guard: ({ context }) => context.items.length > 2 },
      },
    },
    paying: {
      entry: assign({ attempts: ({ context }) => context.attempts + 1 }),
      invoke: {
        src: fromPromise(async ({ input }) => {
          await pause(40);
          if (input.attempts < 3) throw new Error(`declined ${input.attempts}`);
          return `paid at attempt ${input.attempts}`;
        }),
        input: ({ context }) => context,
        onDone: { target: 'shipping', actions: assign({ receipt: ({ event }) => event.output }) },
        onError: {
          target: 'waiting',
          actions: assign({ error: ({ event }) => event.error.message }),
        },
      },
    },
    waiting: { after: { 30: 'paying' } },
    shipping: {
      type: 'parallel',
      entry: sendTo('clock', { type: 'FASTER' }),
      states: {
        parcel: {
          initial: 'packing',
          states: { packing: { after: { 60: 'sent' } }, sent: { type: 'final' } },
        },
        mail: {
          initial: 'writing',
          states: { writing: { after: { 90: 'done' } }, done: { type: 'final' } },
        },
      },
      onDone: 'delivered',
    },
    delivered: { type: 'final' },
  },
});
const actor = createActor(order);
let last = '';
actor.subscribe(({ value, context }) => {
  const text = JSON.stringify([value, context.items.length, context.attempts, context.error]);
  if (text !== last) console.log((last = text));
});
const done = new Promise((finished) => actor.subscribe({ complete: finished }));
actor.start();
for (const item of ['pen', 'ink', 'paper', 'lamp']) {
  await pause(25);
  actor.send({ type: 'ADD', item });
  actor.send({ type: 'PAY' });
}
await done;
const { context, status } = actor.getSnapshot();
console.log('end', status, context.receipt, context.items.join());
