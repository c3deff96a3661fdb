const a = require('./a.cjs');
const first = Object.keys(a).join();
const remembered = new Set();
class Memory {
  static name = 'b';
  remember(value) {
    remembered.add(value % 10);
    return remembered.size;
  }
  name() {
    return `${Memory.name}/${Object.keys(a).length}`;
  }
  early = () => first;
}
module.exports = new Memory();
