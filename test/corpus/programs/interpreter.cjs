// Must survive: a small interpreter with environments, closures of its own and continuations as generators
const tokens = (text) => text.match(/[()]|[^\s()]+/g);
function parse(list) {
  const token = list.shift();
  if (token !== '(') return Number.isNaN(Number(token)) ? token : Number(token);
  const form = [];
  while (list[0] !== ')') form.push(parse(list));
  list.shift();
  return form;
}
class Environment {
  #names = new Map();
  constructor(parent, names = [], values = []) {
    this.parent = parent;
    names.forEach((name, index) => this.#names.set(name, values[index]));
  }
  find(name) {
    if (this.#names.has(name)) return this;
    if (!this.parent) throw new ReferenceError(name);
    return this.parent.find(name);
  }
  get(name) {
    return this.find(name).#names.get(name);
  }
  set(name, value) {
    this.#names.set(name, value);
    return value;
  }
}
const special = {
  *if([test, yes, no], env) {
    return yield* run((yield* run(test, env)) ? yes : no, env);
  },
  *define([name, value], env) {
    return env.set(name, yield* run(value, env));
  },
  *lambda([names, body], env) {
    return (...values) => [body, new Environment(env, names, values)];
  },
  *set([name, value], env) {
    return env.find(name).set(name, yield* run(value, env));
  },
};
function* run(form, env) {
  yield form;
  if (typeof form === 'string') return env.get(form);
  if (!Array.isArray(form)) return form;
  const [head, ...rest] = form;
  if (Object.hasOwn(special, head)) return yield* special[head](rest, env);
  const fn = yield* run(head, env);
  const values = [];
  for (const one of rest) values.push(yield* run(one, env));
  const result = fn(...values);
  return Array.isArray(result) ? yield* run(...result) : result;
}
const globals = new Environment();
const builtins = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '<': (a, b) => a < b,
};
for (const [name, fn] of Object.entries(builtins)) globals.set(name, fn);
const program = `(define fib (lambda (n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2))))))
  (define counter ((lambda (n) (lambda () (set n (+ n 1)))) 10))
  (fib 7) (counter) (counter) (fib 8) (counter) (+ (fib 5) (counter))`;
const list = tokens(`(${program})`);
const forms = parse(list);
let steps = 0;
let current;
const results = [];
const timer = setInterval(() => {
  for (let n = 0; n < 60; n += 1) {
    current ??= forms.length > 0 ? run(forms.shift(), globals) : undefined;
    if (current === undefined) break;
    const { done, value } = current.next();
    steps += 1;
    if (done) {
      results.push(typeof value);
      console.log('result', typeof value === 'function' ? 'lambda' : value);
      current = undefined;
    }
  }
  console.log('steps', steps);
  if (current !== undefined || forms.length > 0) return;
  clearInterval(timer);
  console.log('end', results.join(), steps);
}, 17);
