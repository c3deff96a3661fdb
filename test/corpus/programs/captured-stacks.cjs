// Must survive: stacks of what is no error, and those of errors that are frozen, sealed, hidden or shown
'use strict';
function Legacy(code) {
  Error.captureStackTrace(this, Legacy);
  this.code = code;
}
Legacy.prototype = Object.create(Error.prototype, { constructor: { value: Legacy } });
// As `follow-redirects` makes them: what one kind inherits from is one of the other.
function Redirection(properties) {
  Error.captureStackTrace(this, this.constructor);
  Object.assign(this, properties);
}
Redirection.prototype = new Error();
function TooMany(properties) {
  Error.captureStackTrace(this, this.constructor);
  Object.assign(this, properties);
}
TooMany.prototype = new Redirection();
for (const kind of [Redirection, TooMany]) {
  const name = { value: `Error [${kind.name}]` };
  Object.defineProperties(kind.prototype, { constructor: { value: kind }, name });
}
class Hidden {
  #value = 6;
  constructor() {
    Error.captureStackTrace(this);
  }
  get value() {
    return this.#value;
  }
}
const captured = (object) => (Error.captureStackTrace(object), object);
const named = {
  legacy: new Legacy(7),
  kind: TooMany.prototype,
  many: new TooMany({ url: '/' }),
  hidden: new Hidden(),
  list: captured([1, 2]),
  map: captured(new Map([[1, 2]])),
  made: captured(function made() {}),
  between: Object.assign(captured({ before: 1 }), { after: 2 }),
  still: Object.freeze(captured({ still: true })),
  frozen: Object.freeze(new Error('frozen')),
  sealed: Object.seal(new Error('sealed')),
  shown: Object.defineProperty(new Error('shown'), 'stack', { enumerable: true }),
  fixed: Object.defineProperty(new Error('fixed'), 'stack', { value: 'fixed', writable: false }),
  gone: new Error('gone'),
};
delete named.gone.stack;
const texts = Object.values(named).map(({ stack }) => stack);
const describe = (object) =>
  [
    Object.isFrozen(object) ? 'frozen' : '',
    Object.isSealed(object) ? 'sealed' : '',
    Object.keys(object).join(),
    Object.hasOwn(object, 'stack') ? 'own' : 'none',
  ].join('|');
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  const [name, object] = Object.entries(named)[turn % texts.length];
  const late = new TooMany({ turn });
  console.log(turn, name, describe(object), late.name, /^\s+at /m.test(late.stack));
  if (turn < 40) return;
  clearInterval(timer);
  console.log(
    'end',
    Object.values(named)
      .map(({ stack }, index) => +(stack === texts[index]))
      .join(''),
  );
  console.log(
    named.many instanceof Redirection,
    named.hidden.value,
    named.made.name,
    named.map.get(1),
  );
  try {
    named.fixed.stack = 'other';
  } catch (error) {
    console.log(error.name);
  }
  named.legacy.stack = 'set';
  console.log(named.legacy.stack, named.legacy.code, JSON.stringify(named.between));
}, 25);
