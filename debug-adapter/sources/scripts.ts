import type { CdpThread, Protocol } from '../cdp.ts';
import { baseName, pathOfUrl } from './paths.ts';

/** A script that a thread has loaded. */
export interface Script {
  readonly thread: CdpThread;
  readonly scriptId: string;
  readonly url: string;
  /** On the device; undefined for what is no file there. */
  readonly path: string | undefined;
  readonly name: string;
  /** As the script names it; undefined without one. */
  readonly sourceMapUrl: string | undefined;
  /** SHA-256 (hex) of the source as UTF-8. */
  readonly hash: string;
  /** In UTF-16 code units; undefined where the inspector does not say. */
  readonly length: number | undefined;
}

/** All scripts of all threads. */
export class Scripts {
  readonly #scripts = new Map<string, Script>();

  add(thread: CdpThread, event: Protocol.Debugger.ScriptParsedEvent): Script {
    const { scriptId, sourceMapURL, hash, length } = event;
    // Code that was evaluated has no name of its own.
    const url = event.url === '' ? `evaluated-${scriptId}.js` : event.url;
    const path = pathOfUrl(url);
    const script: Script = {
      thread,
      scriptId,
      url,
      path,
      name: path === undefined ? url : baseName(path),
      sourceMapUrl: sourceMapURL === undefined || sourceMapURL === '' ? undefined : sourceMapURL,
      hash,
      length,
    };
    this.#scripts.set(keyOf(thread, scriptId), script);
    return script;
  }

  get(thread: CdpThread, scriptId: string): Script | undefined {
    return this.#scripts.get(keyOf(thread, scriptId));
  }

  all(): readonly Script[] {
    return [...this.#scripts.values()];
  }
}

function keyOf(thread: CdpThread, scriptId: string): string {
  return `${thread.thread}:${scriptId}`;
}
