// Must survive: TextEncoder, TextDecoder and StringDecoder with half a character; the options of decoders
// may refuse: TextDecoder
const { StringDecoder } = require('node:string_decoder');
const bytes = new TextEncoder().encode('grüße 😀 次 '.repeat(8));
const streaming = new TextDecoder('utf-8', { ignoreBOM: true });
const fatal = new TextDecoder('utf-16le', { fatal: true });
const pieces = new StringDecoder('utf8');
const base64 = new StringDecoder('base64');
let text = '';
let other = '';
let coded = '';
let turn = 0;
const timer = setInterval(() => {
  const part = bytes.subarray(turn * 3, turn * 3 + 3);
  turn += 1;
  text += streaming.decode(part, { stream: true });
  other += pieces.write(Buffer.from(part));
  coded += base64.write(Buffer.from(part.subarray(0, 2)));
  console.log(turn, text.length, other.length, coded.length);
  if (turn < 45) return;
  clearInterval(timer);
  text += streaming.decode();
  other += pieces.end();
  coded += base64.end();
  console.log('end', text === other, text.length, coded.length, fatal.encoding, fatal.fatal);
}, 22);
