export interface HostKeyQuestion {
  readonly host: string;
  readonly keyType: string;
  readonly fingerprint: string;
}

/** Questions to the person during a connection. */
export interface Prompter {
  passphrase(keyFile: string, attempt: number): Promise<string | undefined>;
  confirmHostKey(question: HostKeyQuestion): Promise<boolean>;
}
