import * as v from 'valibot';
import { FlickError, name, port, text } from '../protocol/index.ts';

/** Always there, never in the file: this machine. */
export const localName = 'local';

/** What starts with a hyphen would be an option to `ssh`, which resolves the user's own configuration. */
const noOption = v.regex(/^[^-\s][^\s]*$/, 'It must not begin with a hyphen nor contain spaces.');

/** One device of `devices.json`. What is absent is answered by the user's SSH configuration. */
export const deviceEntry = v.strictObject({
  name: v.pipe(
    name,
    v.regex(/^[^-\s/][^\s/]*$/, 'A device name must not contain spaces or slashes.'),
  ),
  host: v.pipe(text, noOption, v.maxLength(255)),
  port: v.optional(port),
  user: v.optional(v.pipe(text, noOption, v.maxLength(255))),
  /** Path of a private key. */
  identityFile: v.optional(v.pipe(text, v.minLength(1))),
});
export type DeviceEntry = v.InferOutput<typeof deviceEntry>;

/**
 * The entry for an address as people type it: `ssh://[user@]host[:port]`; `[user@]host[:port]` is taken too. IPv6
 * addresses stand in brackets.
 * @throws {FlickError} `invalidRequest`
 */
export function parseDeviceAddress(
  entryName: string,
  address: string,
  options: { readonly identityFile?: string | undefined } = {},
): DeviceEntry {
  const match =
    /^(?:ssh:\/\/)?(?:(?<user>[^@/]+)@)?(?<host>\[[0-9a-fA-F:.%a-z]+\]|[^:/@[\]]+)(?::(?<port>\d{1,5}))?\/?$/.exec(
      address,
    );
  const groups = match?.groups;
  const host = groups?.['host'];
  if (groups === undefined || host === undefined) {
    throw new FlickError('invalidRequest', `“${address}” is not the address of a device.`, {
      remedy: 'An address has the form ssh://[user@]host[:port].',
    });
  }
  const user = groups['user'];
  const portText = groups['port'];
  return checkDeviceEntry({
    name: entryName,
    host: host.replace(/^\[(.*)\]$/, '$1'),
    ...(user === undefined ? {} : { user: decode(user) }),
    ...(portText === undefined ? {} : { port: Number(portText) }),
    ...(options.identityFile === undefined ? {} : { identityFile: options.identityFile }),
  });
}

/** The address of an entry as {@link parseDeviceAddress} reads it. */
export function formatDeviceAddress(entry: DeviceEntry): string {
  const user = entry.user === undefined ? '' : `${encodeURIComponent(entry.user)}@`;
  const host = entry.host.includes(':') ? `[${entry.host}]` : entry.host;
  return `ssh://${user}${host}${entry.port === undefined ? '' : `:${String(entry.port)}`}`;
}

/** @throws {FlickError} `invalidRequest` that says what is wrong with the entry */
export function checkDeviceEntry(entry: unknown): DeviceEntry {
  const parsed = v.safeParse(deviceEntry, entry);
  if (!parsed.success) {
    throw new FlickError('invalidRequest', parsed.issues.map((each) => each.message).join(' '));
  }
  if (parsed.output.name === localName) {
    throw new FlickError('invalidRequest', `The name “${localName}” means this machine.`, {
      remedy: 'Give the device another name.',
    });
  }
  return parsed.output;
}

function decode(user: string): string {
  try {
    return decodeURIComponent(user);
  } catch {
    return user;
  }
}
