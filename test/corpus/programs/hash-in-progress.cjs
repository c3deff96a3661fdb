// Must survive: nothing moves while a digest is half done; it is refused and goes on
// may refuse: crypto hash in progress
// refuses: hash
const { createHash, createHmac } = require('node:crypto');
const hash = createHash('sha256');
const hmac = createHmac('sha1', 'key');
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  hash.update(`part ${turn}`);
  hmac.update(String(turn));
  console.log(turn, hash.copy().digest('hex').slice(0, 8));
  if (turn < 45) return;
  clearInterval(timer);
  console.log('end', hash.digest('hex'), hmac.digest('base64'));
}, 40);
