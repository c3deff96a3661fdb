import type { EngineStatus } from '../../../protocol/index.ts';

export interface CriuBinary {
  readonly path: string;
  /** As `criu --version` prints it: `4.2.1`. */
  readonly version: string;
}

/** What this device can do with CRIU. `binary` is present whenever one was found, even if it is too old or broken. */
export interface CriuState {
  readonly binary: CriuBinary | undefined;
  readonly status: EngineStatus;
}

export interface CriuProbe {
  readonly flickHome: string;
  readonly environment?: NodeJS.ProcessEnv;
}

/** Finds CRIU and tries it out. The result is kept until `refresh`; probing takes some 100 ms. */
export function criuState(_probe: CriuProbe, _refresh = false): Promise<CriuState> {
  return Promise.reject(new Error('not yet'));
}
