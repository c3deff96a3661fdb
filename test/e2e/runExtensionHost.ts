// Runs the suites of test/extension-host by hand, with the exit status 1 where one fails:
//   node --import tsx test/e2e/runExtensionHost.ts [--electron] [--grep TEXT]
import { parseArgs } from 'node:util';
import { runExtensionHost } from './vscode/extensionHost.ts';

const { values } = parseArgs({
  options: { electron: { type: 'boolean', default: false }, grep: { type: 'string' } },
});
const { results, brokenOff } = await runExtensionHost({
  host: values.electron ? 'electron' : 'server',
  ...(values.grep === undefined ? {} : { grep: values.grep }),
});
for (const result of results) {
  console.log(`${result.state}  ${result.title}`);
  if (result.state === 'failed') console.log(result.reason);
}
if (brokenOff !== undefined) console.log(`broken off: ${brokenOff}`);
const failed = results.filter(({ state }) => state === 'failed').length;
console.log(`${results.length - failed} of ${results.length} did not fail`);
process.exitCode = failed > 0 || brokenOff !== undefined ? 1 : 0;
