// Must survive: a WebAssembly instance with its memory, or it is refused
// may refuse: WebAssembly
// (module (memory (export "m") 1) (global (mut i32) i32.const 0)
//   (func (export "add") (param i32) (result i32) global.get 0 local.get 0 i32.add global.set 0 global.get 0))
const bytes = Uint8Array.from([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 6, 1, 96, 1, 127, 1, 127, 3, 2, 1, 0, 5, 3, 1, 0, 1, 6, 6, 1, 127,
  1, 65, 0, 11, 7, 11, 2, 1, 109, 2, 0, 3, 97, 100, 100, 0, 0, 10, 13, 1, 11, 0, 35, 0, 32, 0, 106,
  36, 0, 35, 0, 11,
]);
const { exports: made } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
const memory = new Uint32Array(made.m.buffer);
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  memory[turn] = made.add(turn);
  console.log(turn, memory[turn]);
  if (turn < 40) return;
  clearInterval(timer);
  console.log('end', made.add(0), memory[40], made.m.buffer.byteLength);
}, 22);
