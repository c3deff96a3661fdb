// Must survive: typed arrays and DataViews over shared buffers, with offsets; Buffers from the pool
const buffer = new ArrayBuffer(64);
const bytes = new Uint8Array(buffer);
const words = new Uint16Array(buffer, 8, 4);
const floats = new Float64Array(buffer, 16, 3);
const clamped = new Uint8ClampedArray(4);
const view = new DataView(buffer, 40, 16);
const small = Buffer.from('pooled text');
const sibling = Buffer.from('its sibling');
const part = small.subarray(2, 6);
const big = Buffer.alloc(10_000, 'ab');
const resizable = new ArrayBuffer(8, { maxByteLength: 64 });
const tracking = new Uint8Array(resizable);
floats.label = 'own property';
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  bytes[turn % 64] ^= turn * 7;
  words[turn % 4] += 300;
  floats[turn % 3] += turn / 3;
  clamped[turn % 4] += 60;
  view.setInt32(turn % 12, -turn, turn % 2 === 0);
  part[turn % 4] += 1;
  if (turn % 10 === 0) resizable.resize(resizable.byteLength + 8);
  tracking[tracking.length - 1] = turn;
  const sum = bytes.reduce((total, byte) => (total * 31 + byte) >>> 0, 7);
  console.log(turn, sum, words.join(), clamped.join(), small.toString('latin1').slice(0, 8));
  if (turn < 45) return;
  clearInterval(timer);
  console.log(
    'end',
    floats.label,
    tracking.join(),
    sibling.toString(),
    small.buffer === sibling.buffer,
  );
  console.log(
    view.byteOffset,
    words.buffer === buffer,
    big.readUInt16BE(9_998),
    part.toString('hex'),
  );
  console.log(Buffer.isBuffer(part), floats.map((n) => Math.round(n)).join());
}, 22);
