// Must survive: a compressing stream in the middle of its data, or it is refused
// may refuse: zlib
const zlib = require('node:zlib');
const gzip = zlib.createGzip();
const packed = [];
gzip.on('data', (chunk) => packed.push(chunk));
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  gzip.write(`line ${turn} `.repeat(30));
  console.log(turn);
  if (turn < 40) return;
  clearInterval(timer);
  gzip.end();
  gzip.on('end', () => {
    const text = zlib.gunzipSync(Buffer.concat(packed)).toString();
    console.log('end', text.length, text.slice(-8));
  });
}, 22);
