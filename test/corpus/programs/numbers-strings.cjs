// Must survive: numbers that are special, and strings that are: joined in pieces, sliced, not well-formed
const special = {
  zero: -0,
  nan: NaN,
  huge: Infinity,
  tiny: 5e-324,
  max: 2 ** 53 - 1,
  f: 0.1 + 0.2,
};
let rope = '';
let unicode = '\ud83d';
const slice = 'a long text of which a part is kept as a slice'.slice(3, 40);
const wrapped = { s: Object('str'), n: Object(-0), b: Object(false), y: Object(Symbol.iterator) };
wrapped.s.note = 'own property';
const escapes = 'quote " slash \\ back ` dollar ${x} nul \0 line \u2028 end';
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  rope = turn % 2 ? `${rope}${turn}.` : `.${turn}${rope}`;
  special.tiny *= 3;
  special.f += 0.1;
  if (turn === 20) unicode += '\ude00';
  const signs = [
    Object.is(special.zero, -0),
    Object.is(+wrapped.n, -0),
    special.nan === special.nan,
  ];
  console.log(turn, rope.length, special.tiny, special.f, signs.join(), escape(unicode));
  if (turn < 45) return;
  clearInterval(timer);
  console.log('end', rope, special.huge, special.max, slice.slice(2, 9), JSON.stringify(escapes));
  console.log(String(wrapped.s), wrapped.s.note, wrapped.b ? 'object' : '', typeof wrapped.y);
  console.log(JSON.stringify(wrapped.s), wrapped.s.length, unicode);
}, 22);
