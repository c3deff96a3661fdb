/** What Node.js 20 to 26 print of their inspector, without line ends. */
const url = 'ws://127.0.0.1:9229/c7c72b6b-a56f-4424-8004-bb67e42b8f2a';

export const inspectorLines: readonly string[] = [
  `Debugger listening on ${url}`,
  'Debugger listening on ws://[::1]:35913/af6c896c-b4fd-4ddf-bf45-9c42fab69b31',
  'For help, see: https://nodejs.org/en/docs/inspector',
  'For help, see: https://nodejs.org/learn/getting-started/debugging',
  'Debugger attached.',
  `Debugger ending on ${url}`,
  'Waiting for the debugger to disconnect...',
  'Starting inspector on 127.0.0.1:9229 failed: address already in use',
];

const pattern =
  /(?:Debugger (?:listening|ending) on ws:\/\/[!-~]+|For help, see: https:\/\/nodejs\.org\/[!-~]+|Debugger attached\.|Waiting for the debugger to disconnect\.\.\.|Starting inspector on [!-~]+ failed: [ -~\x80-\xff]+)\r?\n/y;

/** What a hush leaves of an output, bytes as Latin-1: the same as the keeper's filter, said in another way. */
export function withoutInspectorLines(output: string): string {
  let kept = '';
  for (let at = 0; at < output.length;) {
    pattern.lastIndex = at;
    const line = pattern.exec(output)?.[0];
    if (line !== undefined && line.length <= 512) at += line.length;
    else kept += output.charAt(at++);
  }
  return kept;
}
