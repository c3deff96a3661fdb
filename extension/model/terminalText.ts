import type { FollowState } from '../../client/processFollower.ts';
import type { ExitStatus } from '../../protocol/index.ts';
import { l10n } from '../l10n.ts';
import { deviceInText } from './deviceRow.ts';

/** The name of a process's terminal tab: what it is, and where it is or is going. */
export function tabName(processName: string, state: FollowState): string {
  switch (state.kind) {
    case 'attached':
      return l10n.t('{0} — {1}', processName, deviceInText(state.device));
    case 'moving':
      return l10n.t('{0} — moving…', processName);
    case 'waiting':
      return l10n.t('{0} — waiting for its device', processName);
    case 'ended':
      return l10n.t('{0} — ended', processName);
  }
}

/** How a process ended, as a sentence. With neither code nor signal nobody knows: its device restarted, say. */
export function endOf(processName: string, { exitCode, signal }: ExitStatus): string {
  if (signal !== null) return l10n.t('{0} was ended by {1}.', processName, signal);
  if (exitCode !== null) return l10n.t('{0} exited with {1}.', processName, exitCode);
  return l10n.t('{0} is gone.', processName);
}

/** DECSET and DECRST of the alternate screen (xterm control sequences, private modes 47, 1047 and 1049). */
const screenSwitch = /\u001b\[\?(?:47|1047|1049)([hl])/g;
const longestSwitch = 8;

/** Follows whether a program owns the whole screen, so that one that was killed can be tidied up after. */
export class AlternateScreen {
  #isOn = false;
  /** The end of what was read, as a sequence may be cut in two. */
  #tail = '';

  get isOn(): boolean {
    return this.#isOn;
  }

  read(output: string): void {
    const text = this.#tail + output;
    const last = [...text.matchAll(screenSwitch)].at(-1);
    if (last !== undefined) this.#isOn = last[1] === 'h';
    this.#tail = text.slice(1 - longestSwitch);
  }
}

/** Control sequences of a terminal (ECMA-48, sections 5.4 and 8.3.89): CSI, OSC and other strings, and short ones. */
const controlSequence =
  /\u001b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[ -/]*[0-~])/g;

/** What a program wrote on its terminal as plain text, for reading it in an editor. */
export function plainText(output: string): string {
  return (
    output
      .replace(controlSequence, '')
      .replace(/\r+\n/g, '\n')
      // A carriage return alone begins the line again: what stands last is what a person saw.
      .replace(/^.*\r(?=[^\n])/gm, '')
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g, '')
  );
}
