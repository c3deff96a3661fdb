/** A process that is frozen, its capsule complete on disk, the kernel's copy still able to go on. */
export interface HeldCapture {
  /** Folder with the capsule's images; every regular file directly in it belongs to the capsule. */
  readonly images: string;
  /** Lets the process run on as if nothing had happened and removes the images. */
  abort(): Promise<void>;
  /** From now on losing the agent no longer lets the process run on: the release has been recorded. */
  pin(): Promise<void>;
  /** Ends the copy here: it runs elsewhere. */
  release(): Promise<void>;
}

/** A process restored here of which not one instruction has run. */
export interface HeldRestore {
  /** PID of its root as this device sees it. */
  readonly pid: number;
  /** From now on losing the agent no longer ends the copy: that it runs here has been recorded. */
  pin(): Promise<void>;
  /** Lets it run. */
  resume(): Promise<void>;
  /** Ends the copy, which never ran. */
  abort(): Promise<void>;
}
