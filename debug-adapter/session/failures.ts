import type { DebugProtocol } from '@vscode/debugprotocol';
import { messageOf } from '../../common/rpc.ts';
import { CdpError } from '../cdp.ts';
import { Cancelled } from './requests.ts';

/** Requests whose failure is shown where the answer would be: a message box for each would only be in the way. */
const quiet: ReadonlySet<string> = new Set([
  'evaluate',
  'completions',
  'scopes',
  'variables',
  'stackTrace',
  'threads',
  'source',
  'exceptionInfo',
  'loadedSources',
  'breakpointLocations',
  'stepInTargets',
  'readMemory',
]);

/** Fills in a response that says why the request failed. */
export function fail(response: DebugProtocol.Response, error: unknown): void {
  response.success = false;
  if (error instanceof Cancelled) {
    response.message = 'cancelled';
    return;
  }
  const format = sentenceOf(error, response.command);
  response.message = format;
  const message: DebugProtocol.Message = { id: 1, format, showUser: !quiet.has(response.command) };
  response.body = { error: message };
}

/** What is said to people of anything that was thrown. */
export function sentenceOf(error: unknown, what: string): string {
  const message = messageOf(error);
  if (error instanceof CdpError) return `Node.js refused “${what}”: ${closed(message)}`;
  if (isForPeople(error)) {
    const remedy: unknown = Reflect.get(error, 'remedy');
    return typeof remedy === 'string' ? `${message} ${remedy}` : message;
  }
  return `“${what}” failed: ${closed(message)}`;
}

/** Errors whose message is a sentence: those of the adapter, of the contract and of transports. */
function isForPeople(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  return error.name === 'UserError' || error.name === 'DebuggeeGone' || 'reason' in error;
}

function closed(sentence: string): string {
  return /[.!?…]$/.test(sentence) ? sentence : `${sentence}.`;
}
