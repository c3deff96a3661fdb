import type * as vscode from 'vscode';
import type { Logger } from '../../common/logger.ts';

/** Writes the client's log to the output channel, whose level the user chooses. */
export function outputLogger(output: vscode.LogOutputChannel): Logger {
  return {
    log(level, message, fields) {
      output[level](fields === undefined ? message : `${message} ${JSON.stringify(fields)}`);
    },
  };
}
