/**
 * Folder of the sockets of the debug runtimes of one managed process, as that process sees it: below /tmp, since that is
 * there on every device, and named by the process, so that it is the same wherever that goes.
 */
export function debugFolder(id: string): string {
  return `/tmp/.flick-debug-${id}`;
}

/** Content of the file `wake` that wakes a runtime whatever it stands by for. */
export const wakeAny = '*';
