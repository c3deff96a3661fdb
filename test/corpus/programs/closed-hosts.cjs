// Must survive: objects of Node.js that the program has frozen, sealed or closed
const url = Object.freeze(new URL('http://localhost/a?b=1'));
const sealed = Object.seal(Object.assign(new TextEncoder(), { own: 1 }));
const closed = Object.preventExtensions(new AbortController());
const { searchParams } = url;
const show = (object) =>
  [Object.isExtensible, Object.isSealed, Object.isFrozen].map((is) => Number(is(object))).join('');
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  for (const each of [url, sealed, closed]) {
    each.added = turn;
    delete each.own;
  }
  url.pathname = `/${turn}`;
  searchParams.set('b', turn);
  sealed.own += 1;
  console.log(turn, show(url), show(sealed), show(closed), show(searchParams));
  console.log(url.href, url.added, sealed.own, closed.added, sealed.encode('ä').length);
  if (turn === 20) closed.abort('reason');
  if (turn < 40) return;
  clearInterval(timer);
  console.log('end', closed.signal.reason);
}, 20);
