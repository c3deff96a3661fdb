import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../support/provisioned.ts';
import { skip } from '../../support/skip.ts';
import { LocalDebuggee } from '../support/localDebuggee.ts';
import { Conversation } from './conversation.ts';

/** The versions of Node.js whose conversations must be the same. */
export const versions = ['20', '24'] as const;
export type Version = (typeof versions)[number];

export function requireNode(context: Mocha.Context, node: Version): void {
  if (node !== '20' && !existsSync(join(root, '.cache/node', node))) {
    skip(context, `Node.js ${node} is not there`);
  }
}

/** A program that waits for its first line, and an editor that has not attached yet. */
export interface Scene {
  readonly debuggee: LocalDebuggee;
  readonly talk: Conversation;
  /** Line of the program's source that holds the text, from 1 on. */
  line(text: string): number;
  breakAt(...texts: readonly string[]): Promise<unknown>;
  end(): Promise<void>;
}

export async function openScene(source: string, node: Version): Promise<Scene> {
  const debuggee = await LocalDebuggee.start(`\n${source}`, { node });
  const talk = new Conversation(debuggee.host);
  talk.hide(debuggee.script, '<program.js>');
  talk.hide(/\(node:[^)]*\)/g, '(<Node.js>)');
  const lines = `\n${source}`.split('\n');
  const line = (text: string): number => {
    const index = lines.findIndex((each) => each.includes(text));
    if (index < 0) throw new Error(`The program has no line with “${text}”.`);
    return index + 1;
  };
  return {
    debuggee,
    talk,
    line,
    breakAt: (...texts) =>
      talk.send('setBreakpoints', {
        source: { path: debuggee.script },
        breakpoints: texts.map((text) => ({ line: line(text) })),
      }),
    end: async () => {
      if (process.env['FLICK_SHOW_TALK'] === '1') process.stderr.write(talk.transcript);
      talk.dispose();
      await debuggee.dispose();
    },
  };
}
