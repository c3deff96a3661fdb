import { FlickError } from '../../protocol/index.ts';
import type { ImageCredentials } from '../engines/criu/images.ts';

/** On whose behalf a process is passed on and received. */
export interface CellParties {
  readonly ownUid: number;
  readonly senderUid: number;
  readonly senderInUserNamespace: boolean;
}

/** Whether the process is root's and root receives it, whatever its images say. */
export function isRootToRoot({ ownUid, senderUid, senderInUserNamespace }: CellParties): boolean {
  return ownUid === 0 && senderUid === 0 && !senderInUserNamespace;
}

/**
 * Which ids the arriving process's cell maps to the receiving user, whatever the images claim: ids are mapped by
 * identity, not by number. A process of root that root receives needs no mapping, since it can gain nothing by it. Every
 * other one gets a user namespace in which exactly one user and one group exist, both of them the receiver's.
 * @returns undefined for a cell without a user namespace
 * @throws {FlickError} `refused` when the images hold several ids, which one user cannot be
 */
export function cellIdentity(
  claimed: ImageCredentials,
  who: CellParties & { readonly name: string },
): { uid: number; gid: number } | undefined {
  if (isRootToRoot(who)) return undefined;
  const [uid, ...otherUids] = claimed.uids;
  const [gid, ...otherGids] = claimed.gids;
  if (uid === undefined || gid === undefined || otherUids.length > 0 || otherGids.length > 0) {
    throw new FlickError(
      'refused',
      `“${who.name}” runs as several users (${[...claimed.uids].join(', ')}) or groups (${[...claimed.gids].join(', ')}), and here it can only run as one.`,
      { remedy: 'Move it between devices that are connected as root.' },
    );
  }
  return { uid, gid };
}
