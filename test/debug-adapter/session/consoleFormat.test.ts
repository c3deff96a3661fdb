import assert from 'node:assert/strict';
import type { Protocol } from '../../../debug-adapter/cdp.ts';
import { formatMessage } from '../../../debug-adapter/session/consoleFormat.ts';

const text = (value: string): Protocol.Runtime.RemoteObject => ({ type: 'string', value });
const number = (value: number): Protocol.Runtime.RemoteObject => ({ type: 'number', value });
const object: Protocol.Runtime.RemoteObject = { type: 'object', description: '{a: 1}' };
const present = ({ description, value }: Protocol.Runtime.RemoteObject): string =>
  description ?? String(value);

describe('messages of the console', () => {
  const cases: [string, Protocol.Runtime.RemoteObject[], string][] = [
    ['nothing', [], ''],
    ['texts as they are', [text('one'), text('two')], 'one two'],
    ['placeholders filled in', [text('%s: %d'), text('size'), number(3.5)], 'size: 3.5'],
    ['whole numbers', [text('%i'), number(3.9)], '3'],
    ['no number', [text('%d'), object], 'NaN'],
    ['objects', [text('%o and %O'), object, object], '{a: 1} and {a: 1}'],
    ['style that is dropped', [text('%cred'), text('color: red')], 'red'],
    ['what is left over', [text('%s'), text('a'), text('b'), object], 'a b {a: 1}'],
    ['placeholders without a value', [text('%s %s'), text('a')], 'a %s'],
    ['percent signs', [text('100%% %s'), text('sure')], '100% sure'],
    ['no format', [object, text('%s')], '{a: 1} %s'],
  ];
  for (const [what, args, expected] of cases) {
    it(`show ${what}`, () => assert.equal(formatMessage(args, present), expected));
  }
});
