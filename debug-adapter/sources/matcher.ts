import type { FolderPairs } from './folderPairs.ts';
import type { LocalFile, LocalFiles } from './localFiles.ts';
import { hashesOf } from './localFiles.ts';
import { baseName, commonSuffix, pathOfUrl } from './paths.ts';
import type { Script } from './scripts.ts';
import type { MapSource } from './sourceMap.ts';

/** Finds the files here that the files of a device are, by what is in them. */
export class Matcher {
  readonly #files: LocalFiles;
  readonly #pairs: FolderPairs;
  readonly #isLocal: () => boolean;
  readonly #found = new Map<Script, Promise<string | undefined>>();

  /** @param isLocal whether the process runs on this machine, so that a path there is one here */
  constructor(files: LocalFiles, pairs: FolderPairs, isLocal: () => boolean) {
    this.#files = files;
    this.#pairs = pairs;
    this.#isLocal = isLocal;
  }

  /** The file here that has the script's content. */
  localOf(script: Script): Promise<string | undefined> {
    let found = this.#found.get(script);
    if (found === undefined) {
      found = this.#find(script);
      this.#found.set(script, found);
    }
    return found;
  }

  /** The file here that is a source of a script. Its content decides where the map has it, else its path does. */
  async localOfOriginal(script: Script, original: MapSource): Promise<string | undefined> {
    // What is known of the script itself tells where its sources lie.
    await this.localOf(script);
    const remote = pathOfUrl(original.url) ?? original.url;
    const candidates = await this.#candidates(remote);
    if (original.content === undefined) {
      const [exact] = candidates.certain;
      return exact ?? closest(remote, candidates.likely);
    }
    const wanted = hashesOf(original.content);
    const same = await this.#first(remote, [...candidates.certain, ...candidates.likely], (file) =>
      [...file.hashes].some((each) => wanted.has(each)),
    );
    // One that was edited since the program was built is still the file that people mean.
    return same ?? candidates.certain[0];
  }

  async #find(script: Script): Promise<string | undefined> {
    const { path, hash: wanted, length } = script;
    if (path === undefined) return undefined;
    const { certain, likely } = await this.#candidates(path);
    const exact = await this.#first(path, [...certain, ...likely], (file) =>
      file.hashes.has(wanted),
    );
    if (exact !== undefined) return exact;
    // Node.js blanks types out of a TypeScript file that it runs: every line and column stays where it was.
    if (/\.[cm]?tsx?$/.test(path)) {
      return this.#first(path, [...certain, ...likely], ({ text }) => text.length === length);
    }
    // Where somebody has said which folder is which, that counts.
    return this.#first(path, certain, () => this.#pairs.isGiven);
  }

  /** Files here that may be the one of the path: where its folder is known to be, and others of the same name. */
  async #candidates(remote: string): Promise<{ certain: string[]; likely: string[] }> {
    const certain = this.#isLocal() && remote.startsWith('/') ? [remote] : [];
    certain.push(...this.#pairs.toLocal(remote));
    const existing = await Promise.all(
      certain.map(async (path) => ((await this.#files.read(path)) === undefined ? [] : [path])),
    );
    const named = await this.#files.named(baseName(remote));
    const likely = [...named].sort(
      (one, other) => commonSuffix(other, remote) - commonSuffix(one, remote),
    );
    return { certain: existing.flat(), likely };
  }

  async #first(
    remote: string,
    paths: readonly string[],
    fits: (file: LocalFile) => boolean,
  ): Promise<string | undefined> {
    for (const path of new Set(paths)) {
      const file = await this.#files.read(path);
      if (file === undefined || !fits(file)) continue;
      if (remote.startsWith('/')) this.#pairs.learn(remote, path);
      return path;
    }
    return undefined;
  }
}

/** The one whose end is most like the path's; none when that is no more than the name and several have it. */
function closest(remote: string, paths: readonly string[]): string | undefined {
  const [best, next] = paths;
  if (best === undefined || next === undefined) return best;
  const length = commonSuffix(best, remote);
  return length > commonSuffix(next, remote) ? best : undefined;
}
