// Must survive: SharedArrayBuffers, the views that share them, and Atomics on them
const shared = new SharedArrayBuffer(32);
const counters = new Int32Array(shared);
const wide = new BigInt64Array(shared, 16, 2);
const bytes = new Uint8Array(shared);
const holder = { shared, views: [counters, wide, bytes] };
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  Atomics.add(counters, turn % 4, turn);
  Atomics.add(wide, turn % 2, BigInt(turn) << 33n);
  const was = Atomics.compareExchange(counters, 0, 40, 0);
  Atomics.xor(bytes, 8, turn);
  console.log(turn, was, counters.slice(0, 4).join(), wide.join(), Atomics.notify(counters, 0));
  if (turn < 45) return;
  clearInterval(timer);
  console.log(
    'end',
    holder.views.every((view) => view.buffer === shared),
    bytes.join(),
  );
  console.log(Object.prototype.toString.call(shared), shared.byteLength);
}, 22);
