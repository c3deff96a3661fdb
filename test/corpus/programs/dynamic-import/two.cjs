let n = 100;
exports.next = () => (n += 1);
