import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { describeIssues } from '../../common/rpc.ts';
import {
  bytes,
  capsuleId,
  FlickError,
  milliseconds,
  name,
  processFacts,
  sha256,
  text,
  time,
  type CapsuleInfo,
} from '../../protocol/index.ts';
import { manifest as entries, totalBytes } from '../files/manifest.ts';
import { images, travellingProcess } from '../handoff/messages.ts';
import { blockBytes } from './blockCodec.ts';

/** Largest manifest that is read, in bytes. */
export const maxManifestBytes = 256 << 20;
/** Largest content of one image in bytes: no process has more address space in use (Linux, 4-level paging: 128 TiB). */
const maxContentBytes = 2 ** 47;

/** Content as the blocks that make it up: all of {@link blockBytes} but the last one. */
const content = v.pipe(
  v.object({ size: v.pipe(bytes, v.maxValue(maxContentBytes)), blocks: v.array(sha256) }),
  v.check(
    ({ size, blocks }) => blocks.length === Math.ceil(size / blockBytes),
    'The number of blocks does not fit the size.',
  ),
);
export type Content = v.InferOutput<typeof content>;

const contents = v.record(sha256, content);

/**
 * Everything about a process at rest but the content itself. It holds what the source's half of a handoff sent
 * (`agent/handoff/messages.ts`), so that a restore is nothing else than that half played again.
 */
export const capsuleManifest = v.pipe(
  v.object({
    version: v.literal(1),
    id: capsuleId,
    name,
    savedAt: time,
    device: v.object({ deviceId: text, hostName: text }),
    parent: v.nullable(capsuleId),
    pauseMs: milliseconds,
    process: travellingProcess,
    facts: processFacts,
    senderUid: v.number(),
    userNamespace: v.boolean(),
    entries,
    /** Of the files among the entries, by their SHA-256. */
    contents,
    scrollback: v.object({ base: bytes, content }),
    images: v.object({
      ...v.omit(images, ['type', 'files', 'memoryApart']).entries,
      files: v.array(v.object({ name: images.entries.files.pipe[0].item.entries.name, content })),
    }),
  }),
  v.check(
    ({ entries: all, contents: known }) =>
      all.every((each) => each.kind !== 'file' || known[each.sha256]?.size === each.size),
    'A file has no content of its size.',
  ),
  v.check(
    ({ images: { files } }) => new Set(files.map((each) => each.name)).size === files.length,
    'An image is named twice.',
  ),
);
export type CapsuleManifest = v.InferOutput<typeof capsuleManifest>;

/** Every block that the capsule needs, each once. */
export function blocksOf(manifest: CapsuleManifest): ReadonlySet<string> {
  const all = [
    ...Object.values(manifest.contents),
    ...manifest.images.files.map((each) => each.content),
    manifest.scrollback.content,
  ];
  return new Set(all.flatMap((each) => each.blocks));
}

export function imageBytesOf({ images: { files } }: CapsuleManifest): number {
  return files.reduce((sum, each) => sum + each.content.size, 0);
}

export function infoOf(manifest: CapsuleManifest): CapsuleInfo {
  const { id, name: called, savedAt, device, parent, process, scrollback } = manifest;
  return {
    id,
    name: called,
    savedAt,
    device,
    process: { id: process.id, name: process.name, command: process.command, cwd: process.cwd },
    parent,
    engine: manifest.facts.engine,
    sizeBytes: totalBytes(manifest.entries) + imageBytesOf(manifest) + scrollback.content.size,
  };
}

/** A manifest as it is stored: its SHA-256 on the first line, so that no change to it goes unseen. */
export function sealManifest(manifest: CapsuleManifest): string {
  const json = JSON.stringify(manifest);
  return `${digest(json)}\n${json}\n`;
}

/** @throws {FlickError} `capsuleDamaged` when it is not what was sealed, or names anything that no capsule has */
export function unsealManifest(id: string, sealed: Buffer): CapsuleManifest {
  const json = sealed.subarray(65, -1);
  if (sealed.subarray(0, 65).toString('latin1') !== `${digest(json)}\n` || sealed.at(-1) !== 10) {
    throw damaged(id, 'it is not what was written');
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(json.toString('utf8'));
  } catch {
    throw damaged(id, 'it is not JSON');
  }
  const checked = v.safeParse(capsuleManifest, parsed);
  if (!checked.success) throw damaged(id, describeIssues(checked.issues.slice(0, 3)));
  if (checked.output.id !== id) throw damaged(id, 'it belongs to another capsule');
  return checked.output;
}

export function damaged(id: string, why: string): FlickError {
  return new FlickError('capsuleDamaged', `The manifest of the capsule ${id} is damaged: ${why}.`, {
    remedy: 'The capsule cannot be restored any more. Remove it with: flick capsule rm.',
  });
}

function digest(json: string | Buffer): string {
  return createHash('sha256').update(json).digest('hex');
}
