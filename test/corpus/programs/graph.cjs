// Must survive: identity in a graph of objects with cycles, shared parts and long chains
class Node {
  edges = new Set();
  constructor(id) {
    this.id = id;
    this.self = this;
  }
  link(other) {
    this.edges.add(other);
    other.edges.add(this);
  }
}
const nodes = Array.from({ length: 60 }, (_, id) => new Node(id));
nodes.forEach((node, index) => node.link(nodes[(index * 7 + 3) % nodes.length]));
let chain = null;
for (let n = 0; n < 3000; n += 1) chain = { n, rest: chain };
const index = new Map(nodes.map((node) => [node, { node, rank: 1 }]));
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  nodes[turn % 60].link(nodes[(turn * turn) % 60]);
  for (const node of nodes) {
    let sum = 0;
    for (const edge of node.edges) sum += index.get(edge).rank / edge.edges.size;
    index.get(node).next = Math.round((0.15 + 0.85 * sum) * 1e6) / 1e6;
  }
  for (const entry of index.values()) entry.rank = entry.next;
  chain = chain.rest;
  console.log(turn, index.get(nodes[turn % 60]).rank, chain.n);
  if (turn < 40) return;
  clearInterval(timer);
  let length = 0;
  for (let at = chain; at !== null; at = at.rest) length += 1;
  const whole = nodes.every((node) => node.self === node && index.get(node).node === node);
  console.log('end', length, whole, [...nodes[5].edges].map(({ id }) => id).join());
}, 25);
