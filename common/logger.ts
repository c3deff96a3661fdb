export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Handed to whatever logs. Fields must hold no secrets, environment values or program data above `debug`. */
export interface Logger {
  log(level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** Swallows everything: for callers that were given no logger. */
export const silentLogger: Logger = { log: () => undefined };

/** One JSON object a line: `{time, level, message, ...fields}`; `time` is ISO 8601 in UTC. */
export function jsonLineLogger(write: (line: string) => void, minimum: LogLevel = 'info'): Logger {
  const order: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];
  return {
    log(level, message, fields) {
      if (order.indexOf(level) < order.indexOf(minimum)) return;
      write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...fields })}\n`);
    },
  };
}
