// Must survive: readable, writable, transform and duplex streams with what they have buffered
const { Readable, Writable, Transform, PassThrough } = require('node:stream');
const written = [];
const slow = new Writable({
  objectMode: true,
  highWaterMark: 3,
  write(item, encoding, done) {
    setTimeout(() => {
      written.push(item);
      console.log('wrote', item);
      done();
    }, 22);
  },
});
class Doubler extends Transform {
  #count = 0;
  constructor() {
    super({ objectMode: true });
  }
  _transform(item, encoding, done) {
    this.#count += 1;
    this.push(item);
    if (item % 3 === 0) this.push(-item);
    done();
  }
  _flush(done) {
    this.push(this.#count * 1000);
    done();
  }
}
let made = 0;
const source = new Readable({
  objectMode: true,
  highWaterMark: 5,
  read() {
    made += 1;
    this.push(made > 30 ? null : made);
  },
});
const bytes = new PassThrough({ highWaterMark: 32 });
bytes.write('kept in the buffer, ');
bytes.write(Buffer.from([0xc3]));
source.pipe(new Doubler()).pipe(slow);
slow.on('finish', () => {
  bytes.end(Buffer.from([0xa9]));
  bytes.setEncoding('utf8');
  let text = '';
  bytes.on('data', (chunk) => (text += chunk));
  bytes.on('end', () => console.log('end', written.length, made, JSON.stringify(text)));
});
