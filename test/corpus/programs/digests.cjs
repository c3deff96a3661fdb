// Must survive: a program that hashes in whole steps: nothing of a digest is in progress between them
const crypto = require('node:crypto');
let chain = Buffer.from('seed');
const { createHash } = crypto;
const digest = (value, kind = 'sha256') => createHash(kind).update(value).digest();
const blocks = [];
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  let nonce = 0;
  while (digest(`${chain.toString('hex')}${nonce}`)[0] !== 0) nonce += 1;
  chain = digest(`${chain.toString('hex')}${nonce}`);
  blocks.push({ turn, nonce, hash: chain });
  console.log(turn, nonce, chain.toString('hex').slice(0, 12));
  if (turn < 35) return;
  clearInterval(timer);
  const linked = blocks.every(({ hash }) => hash[0] === 0 && hash.length === 32);
  console.log('end', linked, crypto.createHmac('md5', 'k').update(chain).digest('hex'));
}, 20);
