import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import type { LabPlaces, LabState } from './state.ts';
import { removeIfEmpty } from './state.ts';

/** The user's device list; entries of other devices are kept as they are. */
const listSchema = v.object({
  version: v.literal(1),
  devices: v.array(v.looseObject({ name: v.string() })),
});
type DeviceList = v.InferOutput<typeof listSchema>;

/** The names under which a device is registered, and who logs in there. */
const logins = [
  { suffix: '', user: 'root' },
  { suffix: '-dev', user: 'dev' },
] as const;

/** Enters the lab's devices into the device list and known_hosts of its Flick home. */
export function register(places: LabPlaces, state: LabState, identityFile: string): void {
  mkdirSync(places.flickHome, { recursive: true, mode: 0o700 });
  const list = readList(places);
  const own = state.devices.flatMap((device) =>
    logins.map(({ suffix, user }) => ({
      name: `${device.name}${suffix}`,
      host: device.address,
      port: 22,
      user,
      identityFile,
    })),
  );
  const names = new Set(own.map(({ name }) => name));
  writeList(places, [...list.devices.filter(({ name }) => !names.has(name)), ...own]);
  const known = state.devices.map(({ address, hostKey }) => `${address} ${hostKey}`);
  writeKnownHosts(places, [...foreignHosts(places, state), ...known]);
}

/** Takes the lab's devices out again, and files that are empty then. */
export function unregister(places: LabPlaces, state: LabState): void {
  const names = new Set(
    state.devices.flatMap(({ name }) => logins.map(({ suffix }) => `${name}${suffix}`)),
  );
  writeList(
    places,
    readList(places).devices.filter(({ name }) => !names.has(name)),
  );
  writeKnownHosts(places, foreignHosts(places, state));
  removeIfEmpty(places.flickHome);
}

const listFile = (places: LabPlaces): string => join(places.flickHome, 'devices.json');
const hostsFile = (places: LabPlaces): string => join(places.flickHome, 'known_hosts');

function readList(places: LabPlaces): DeviceList {
  const text = readIfThere(listFile(places));
  return text === undefined ? { version: 1, devices: [] } : v.parse(listSchema, JSON.parse(text));
}

function writeList(places: LabPlaces, devices: DeviceList['devices']): void {
  const text = `${JSON.stringify({ version: 1, devices }, undefined, 2)}\n`;
  replaceFile(listFile(places), devices.length === 0 ? undefined : text);
}

/** The lines of known_hosts that speak of no address of this lab. */
function foreignHosts(places: LabPlaces, state: LabState): string[] {
  const own = new Set(state.devices.map(({ address }) => address));
  const lines = (readIfThere(hostsFile(places)) ?? '').split('\n').filter((line) => line !== '');
  return lines.filter((line) => !own.has(line.split(' ')[0] ?? ''));
}

function writeKnownHosts(places: LabPlaces, lines: readonly string[]): void {
  const text = lines.map((line) => `${line}\n`).join('');
  replaceFile(hostsFile(places), lines.length === 0 ? undefined : text);
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function replaceFile(file: string, text: string | undefined): void {
  if (text === undefined) {
    rmSync(file, { force: true });
    return;
  }
  writeFileSync(`${file}.new`, text, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}
