import assert from 'node:assert/strict';
import { FlickCommand } from '../support/flick.ts';
import { temporaryFolder } from '../support/temporary.ts';

function frame(message: object): string {
  const text = JSON.stringify(message);
  return `Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
}

/** The messages in a byte stream of DAP. @throws when there is anything else in it */
function readAll(stream: string): Record<string, unknown>[] {
  const messages: Record<string, unknown>[] = [];
  let rest = Buffer.from(stream);
  while (rest.length > 0) {
    const header = /^Content-Length: (\d+)\r\n\r\n/.exec(rest.toString('latin1'));
    assert.ok(header, `not DAP: ${rest.toString()}`);
    const start = header[0].length;
    const end = start + Number(header[1]);
    messages.push(JSON.parse(rest.subarray(start, end).toString()) as Record<string, unknown>);
    rest = rest.subarray(end);
  }
  return messages;
}

describe('flick dap', () => {
  before(function () {
    FlickCommand.requireBuilt(this);
  });

  it('speaks DAP and nothing else, and ends when the editor ends the session', async () => {
    const home = temporaryFolder();
    try {
      const flick = new FlickCommand(home.path);
      const request = (seq: number, command: string, args: object): string =>
        frame({ seq, type: 'request', command, arguments: args });
      const { code, stdout } = await flick.run(['dap'], {
        input: [
          request(1, 'initialize', { adapterID: 'flick' }),
          frame({ nonsense: true }),
          request(2, 'threads', {}),
          request(3, 'disconnect', {}),
        ].join(''),
      });
      assert.equal(code, 0);
      const messages = readAll(stdout);
      const answers = messages.filter(({ type }) => type === 'response');
      assert.deepEqual(
        new Map(answers.map(({ command, success }) => [command, success])),
        new Map([
          ['initialize', true],
          ['threads', false],
          ['disconnect', true],
        ]),
      );
    } finally {
      home.remove();
    }
  });
});
