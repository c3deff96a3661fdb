import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import * as v from 'valibot';
import { describeIssues, messageOf } from '../../common/rpc.ts';
import { FlickError } from '../../protocol/index.ts';

/**
 * Writes a file so that after a crash there is either the old or the whole new content: temporary file, fsync, rename,
 * fsync of the folder (rename(2), fsync(2)). When it returns, the content survives a power cut.
 * @throws {FlickError} `diskFull` or `internal`, naming the file
 */
export async function writeDurably(path: string, content: string | Buffer): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const file = await open(
      temporary,
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL,
      0o600,
    );
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true });
    throw writeFailure(path, error);
  }
}

/** Makes renames and removals inside a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/**
 * Reads and validates a JSON file that Flick wrote earlier.
 * @returns undefined when there is none
 * @throws {FlickError} `internal` when it is damaged, naming the file and the field
 */
export async function readValidated<S extends v.GenericSchema>(
  path: string,
  schema: S,
): Promise<v.InferOutput<S> | undefined> {
  let content: string;
  try {
    content = await readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw new FlickError('internal', `Failed to read ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(content);
  } catch (error) {
    throw new FlickError('internal', `The file ${path} is damaged: it is not JSON.`, {
      cause: error,
    });
  }
  const result = v.safeParse(schema, parsed);
  if (!result.success) {
    throw new FlickError(
      'internal',
      `The file ${path} is damaged: ${describeIssues(result.issues)}`,
    );
  }
  return result.output;
}

export function isErrno(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

/** Turns an error of a write into a sentence; a full disk is told apart since a person can do something about it. */
export function writeFailure(path: string, error: unknown): FlickError {
  if (error instanceof FlickError) return error;
  if (isErrno(error, 'ENOSPC', 'EDQUOT')) {
    return new FlickError('diskFull', `The disk is full: ${path} could not be written.`, {
      remedy: 'Free some space on the device and try again.',
      cause: error,
    });
  }
  return new FlickError('internal', `Failed to write ${path}: ${messageOf(error)}`, {
    cause: error,
  });
}
