// Must survive: a TextDecoder and a TextEncoder between whole texts
const encoder = new TextEncoder();
const decoder = new TextDecoder('latin1');
const utf8 = new TextDecoder('utf-8', { fatal: true });
let kept = encoder.encode('start');
let failures = 0;
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  kept = encoder.encode(`${utf8.decode(kept).slice(-20)}é${turn}`);
  try {
    utf8.decode(Uint8Array.of(0xff, turn));
  } catch ({ code }) {
    failures += code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 1 : 100;
  }
  console.log(turn, decoder.decode(kept), failures);
  if (turn < 45) return;
  clearInterval(timer);
  console.log('end', decoder.encoding, utf8.fatal, encoder.encoding, utf8.decode(kept));
}, 22);
