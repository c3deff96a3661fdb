const { step } = require('./a.cjs');
exports.started = (when) => {
  exports.when = when + step(0);
};
