// Must survive: hoisted variables and functions, and what a sloppy block function binds
var total = before();
function before() {
  return typeof later === 'undefined' ? 7 : -1;
}
function makeCounter() {
  for (var i = 0; i < 3; i += 1) {
    var last = i;
  }
  return function step() {
    last += i;
    i += 1;
    return last;
  };
}
var later = 'set';
var step = makeCounter();
if (total === 7) {
  function chosen() {
    return 'inner ' + later;
  }
}
try {
  throw 'ball';
} catch (caught) {
  var kept = () => caught + later;
}
var turn = 0;
var timer = setInterval(function () {
  turn += 1;
  total += step();
  if (turn === 25) later = 'changed';
  console.log(turn, total, chosen(), kept());
  if (turn === 50) {
    clearInterval(timer);
    console.log('end', typeof i, later, total, step());
    process.exitCode = total % 100;
  }
}, 17);
