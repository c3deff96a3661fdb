import { networkInterfaces, type NetworkInterfaceInfo } from 'node:os';

/** Most addresses that are told of: each is a connection that the other side tries. */
const maxAddresses = 16;

/** Where other devices may reach this one: no loopback, nothing that needs to be said with its interface. */
export function ownAddresses(
  interfaces: NodeJS.Dict<NetworkInterfaceInfo[]> = networkInterfaces(),
): readonly string[] {
  const addresses = Object.values(interfaces)
    .flatMap((each) => each ?? [])
    .filter((each) => !each.internal && !isLinkLocal(each.address))
    .map((each) => each.address);
  return [...new Set(addresses)].slice(0, maxAddresses);
}

/** RFC 3927 and RFC 4291, section 2.5.6. */
function isLinkLocal(address: string): boolean {
  return address.startsWith('169.254.') || /^fe[89ab][0-9a-f]:/i.test(address);
}
