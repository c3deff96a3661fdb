import { dirname, join } from 'node:path';
import type { LocalFiles } from './localFiles.ts';
import { maxFileBytes } from './localFiles.ts';
import { pathOfUrl, urlOfPath } from './paths.ts';
import type { Script } from './scripts.ts';
import { SourceMap } from './sourceMap.ts';

/** Loads the source map of each script once: from the script itself, from the device, or from beside its copy here. */
export class SourceMaps {
  readonly #files: LocalFiles;
  readonly #warn: (text: string) => void;
  readonly #maps = new Map<Script, Promise<SourceMap | undefined>>();

  constructor(files: LocalFiles, warn: (text: string) => void) {
    this.#files = files;
    this.#warn = warn;
  }

  /** @param localPath where the same script lies here, if it does. @returns undefined for a script without a usable map */
  of(script: Script, localPath: () => Promise<string | undefined>): Promise<SourceMap | undefined> {
    let map = this.#maps.get(script);
    if (map === undefined) {
      map = this.#load(script, localPath);
      this.#maps.set(script, map);
    }
    return map;
  }

  async #load(
    script: Script,
    localPath: () => Promise<string | undefined>,
  ): Promise<SourceMap | undefined> {
    const { sourceMapUrl } = script;
    if (sourceMapUrl === undefined) return undefined;
    try {
      const { text, url } = await this.#read(script, sourceMapUrl, localPath);
      return new SourceMap(text, url);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#warn(`The source map of ${script.name} is not used: ${why}`);
      return undefined;
    }
  }

  async #read(
    script: Script,
    sourceMapUrl: string,
    localPath: () => Promise<string | undefined>,
  ): Promise<{ text: string; url: string }> {
    const base = script.path === undefined ? script.url : urlOfPath(script.path);
    if (sourceMapUrl.startsWith('data:')) return { text: inlined(sourceMapUrl), url: base };
    const resolved = new URL(sourceMapUrl, new URL(base)).href;
    const path = pathOfUrl(resolved);
    if (path === undefined) throw new Error('It is not in a file.');
    const url = urlOfPath(path);
    try {
      const { text, size } = await script.thread.send('Flick.readFile', {
        path,
        limit: maxFileBytes,
      });
      if (text === null) throw new Error(`It is ${Math.ceil(size / 2 ** 20)} MB long.`);
      return { text, url };
    } catch (error) {
      const local = await localPath();
      const beside = local === undefined ? undefined : join(dirname(local), sourceMapUrl);
      const file = beside === undefined ? undefined : await this.#files.read(beside);
      if (file === undefined) throw error;
      return { text: file.text, url };
    }
  }
}

/** @throws {Error} for a data URI that is too long or no JSON */
function inlined(uri: string): string {
  if (uri.length > 2 * maxFileBytes) throw new Error('It is too long.');
  const comma = uri.indexOf(',');
  if (comma < 0) throw new Error('Its address is broken.');
  const content = uri.slice(comma + 1);
  return uri.slice(0, comma).endsWith(';base64')
    ? Buffer.from(content, 'base64').toString('utf8')
    : decodeURIComponent(content);
}
