// A second extension under development, for tests only: evaluates functions in the extension host
// for the test that started it. It listens on a unix socket in the test's own folder, because a
// loopback port that evaluates code would be open to every user and web page of the machine.
'use strict';

const fs = require('node:fs');
const http = require('node:http');
const vscode = require('vscode');

// tsx wraps named functions in calls of this helper, which a function turned into text has lost.
globalThis.__name = (target) => target;

async function evaluate(body) {
  const { source, argument } = JSON.parse(body);
  const target = (0, eval)(`(${source})`);
  return { value: await target(vscode, argument) };
}

exports.activate = (context) => {
  const socket = process.env.FLICK_TEST_BRIDGE;
  if (socket === undefined) return;
  const server = http.createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      evaluate(body)
        .catch((error) => ({ error: String(error?.stack ?? error) }))
        .then((answer) => response.end(JSON.stringify(answer)));
    });
  });
  // A reloaded window starts another extension host, which takes the place of the one before it.
  fs.rmSync(socket, { force: true });
  server.listen(socket);
  context.subscriptions.push({ dispose: () => server.close() });
};
