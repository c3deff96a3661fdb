// Loaded into an agent by NODE_OPTIONS: stops it, as by SIGSTOP, at the line of its log that a test asks for, once.
'use strict';
const fs = require('node:fs');

const folder = '/var/lib/flick-lab';
const order = `${folder}/stop-at`;

try {
  Object.assign(process.env, JSON.parse(fs.readFileSync(`${folder}/agent-env`, 'utf8')));
} catch {
  // Nothing is asked for.
}

const append = fs.appendFileSync;
fs.appendFileSync = (path, text, options) => {
  append(path, text, options);
  if (!String(path).endsWith('/agent.log')) return;
  let wanted;
  try {
    wanted = fs.readFileSync(order, 'utf8');
  } catch {
    return;
  }
  if (!text.includes(wanted)) return;
  fs.rmSync(order);
  process.kill(process.pid, 'SIGSTOP');
};
