// Must survive: the text of functions, methods and classes, to the character
class   Odd   {
  static   spaced( a,b ) { return   a+b }
  get  it ( )  { return 1 /* comment */ }
  async  *gen ( ) { yield   1 }
  [ 'comp' + 'uted' ]  = ( x ) =>  x ;
  #priv ( ) { }
  static priv ( o ) { return o.#priv }
}
const   arrow = async  ( x , y=2 ) =>  { return   x*y } ;
const object = { method ( ) { return 'm' }, get  acc ( ) { return 'a' }, 'quoted key' ( ) { }, fn : function  named ( ) { } } ;
function   declared ( /* none */ )  { return 'd' ; }
const dynamic = new Function('a', 'b = 1', 'return a /* body */');
const texts = () => [
  Odd, Odd.spaced, Object.getOwnPropertyDescriptor(Odd.prototype, 'it').get, Odd.prototype.gen,
  new Odd().computed, Odd.priv(new Odd()), arrow, object.method,
  Object.getOwnPropertyDescriptor(object, 'acc').get, object['quoted key'], object.fn, declared,
  dynamic, Math.max, declared.bind(null), function(){}, class{},
].map(String);
let turn = 0;
let hash = 0;
const timer = setInterval(() => {
  turn += 1;
  const all = texts();
  for (const character of all.join('\n')) hash = (hash * 31 + character.codePointAt(0)) >>> 0;
  console.log(turn, hash, JSON.stringify(all[turn % all.length]).slice(0, 90));
  if (turn < 40) return;
  clearInterval(timer);
  console.log('end', JSON.stringify(texts()));
}, 22);
