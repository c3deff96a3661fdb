exports.first = 'set before b';
const b = require('./b.cjs');
let steps = 0;
exports.seen = [];
exports.step = (by) => {
  steps += by;
  exports.seen[steps % 3] = b.remember(steps);
  return steps;
};
exports.owner = () => b.name();
