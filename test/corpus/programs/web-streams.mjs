// Must survive: web streams with what is queued in them
// may refuse: web stream
const pause = (ms) => new Promise((done) => setTimeout(done, 2 * ms));
let made = 0;
const source = new ReadableStream(
  {
    async pull(controller) {
      await pause(8);
      made += 1;
      if (made > 25) controller.close();
      else controller.enqueue(made);
    },
  },
  new CountQueuingStrategy({ highWaterMark: 3 }),
);
const doubled = source.pipeThrough(
  new TransformStream({ transform: (n, controller) => controller.enqueue(n * 2) }),
);
let sum = 0;
for await (const n of doubled) {
  sum += n;
  console.log(n, sum);
}
console.log('end', sum, doubled.locked);
