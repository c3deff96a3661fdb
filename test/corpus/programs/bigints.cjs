// Must survive: BigInts of every size, positive and negative, primitive and boxed
let product = 1n;
let negative = -(2n ** 64n);
const boxed = Object(12345678901234567890n);
const typed = new BigInt64Array([1n, -1n]);
const unsigned = BigUint64Array.of(2n ** 63n, 0n);
const byKey = new Map([[10n, 'ten']]);
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  product *= BigInt(turn) * 10007n;
  negative = (negative * 3n) / 2n;
  typed[0] += negative;
  unsigned[1] -= BigInt(turn);
  byKey.set(product % 97n, turn);
  console.log(turn, String(product % 10n ** 12n), String(negative), BigInt.asIntN(16, product));
  if (turn < 45) return;
  clearInterval(timer);
  console.log('end', product.toString(36), typed.join(), unsigned.join());
  console.log(String(boxed), typeof boxed, byKey.get(10n), byKey.size, [...byKey.keys()].join());
}, 22);
