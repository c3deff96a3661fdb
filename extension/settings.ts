import { homedir } from 'node:os';
import { join } from 'node:path';
import * as vscode from 'vscode';
import { confirmMoveValues, type ConfirmMove, type SettingId } from './ids.ts';

function read(id: SettingId): unknown {
  return vscode.workspace.getConfiguration().get(id);
}

/** The settings as they are now. In an untrusted workspace VS Code leaves out what the workspace says. */
export const settings = {
  /** Undefined when the environment decides. */
  get home(): string | undefined {
    const value = read('flick.home');
    if (typeof value !== 'string' || value.trim() === '') return undefined;
    const path = value.trim();
    return path.startsWith('~/') ? join(homedir(), path.slice(2)) : path;
  },
  get carry(): readonly string[] {
    const value = read('flick.carry');
    if (!Array.isArray(value)) return [];
    return value.filter((each): each is string => typeof each === 'string' && each.trim() !== '');
  },
  get confirmMove(): ConfirmMove {
    const value = read('flick.confirmMove');
    return confirmMoveValues.find((each) => each === value) ?? 'always';
  },
  get connectOnStartup(): boolean {
    return read('flick.connectOnStartup') !== false;
  },
  get rememberPassphrases(): boolean {
    return read('flick.rememberPassphrases') !== false;
  },
};
