import * as v from 'valibot';
import { notification, request } from './contract.ts';
import { finding } from './finding.ts';
import { bytes, milliseconds, text } from './limits.ts';

/** What `agent start` prints and what every connection begins with. */
export const agentHello = v.object({
  protocol: v.number(),
  /** SHA-256 of the agent file, so that a client knows whether it is the one it carries. */
  build: text,
  version: text,
  /** Identity of this agent's home on this device; made once, never changes. */
  deviceId: text,
  bootId: text,
  pid: v.number(),
  socket: text,
});
export type AgentHello = v.InferOutput<typeof agentHello>;

/** How a process becomes a capsule and back: CRIU for any program, or the portable engine for Node.js alone. */
export const engineNames = ['criu', 'v8'] as const;
export type EngineName = (typeof engineNames)[number];

/** Whether an engine works on a device, and if not why and what to do. */
export const engineStatus = v.object({
  engine: v.picklist(engineNames),
  available: v.boolean(),
  version: v.optional(text),
  findings: v.array(finding),
});
export type EngineStatus = v.InferOutput<typeof engineStatus>;

export const deviceDescription = v.object({
  hello: agentHello,
  hostName: text,
  platform: text,
  architecture: text,
  kernel: text,
  distribution: text,
  nodeVersion: text,
  user: v.object({ name: text, uid: v.number(), home: text }),
  cpuModel: text,
  memoryBytes: bytes,
  freeDiskBytes: bytes,
  uptimeMs: milliseconds,
  /** Whether cells of this user are user namespaces (ordinary users) or not (root). */
  userNamespaces: v.boolean(),
  /** Whether processes outside cells can be dumped here: as root, or through the helper that setting up installs. */
  privilegedHelper: v.boolean(),
  /** Whether `sudo -n` works here, which setting up needs. */
  sudo: v.boolean(),
  engines: v.array(engineStatus),
});
export type DeviceDescription = v.InferOutput<typeof deviceDescription>;

export const describeDevice = request(
  'device/describe',
  v.object({ refresh: v.optional(v.boolean()) }),
  deviceDescription,
);

/** Largest load of a measurement, each way, in characters. */
export const maxLinkLoad = 256 * 1024;
const linkLoad = v.pipe(v.string(), v.maxLength(maxLinkLoad));
/** Tells a client how fast its link is: takes `load` and answers with `length` characters. */
export const measureLink = request(
  'device/measureLink',
  v.object({
    load: linkLoad,
    length: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(maxLinkLoad)),
  }),
  v.object({ load: linkLoad }),
);

/** One thing that setting a device up would do, in words for the person who is asked. */
export const setupStep = v.object({ id: text, what: text, why: text, command: text });
export const setupPlan = v.object({
  steps: v.array(setupStep),
  /** What cannot be had here and why, though the rest can. */
  leftOut: v.array(text),
  /** True when a bundle of CRIU is to be pushed by the client through `stream/open`. */
  needsBundle: v.boolean(),
});
export type SetupPlan = v.InferOutput<typeof setupPlan>;
export const planSetup = request(
  'setup/plan',
  v.object({ undo: v.optional(v.boolean()), bundleAvailable: v.optional(v.boolean()) }),
  setupPlan,
);
/** Does exactly the named steps. For a pushed bundle: `upload` comes from `setup/upload`. */
export const applySetup = request(
  'setup/apply',
  v.object({ steps: v.array(text), upload: v.optional(text) }),
  v.object({ done: v.array(text), failed: v.array(v.object({ id: text, message: text })) }),
);
/** Opens a stream that takes the bundle's bytes; they are checked against `sha256` before use. */
export const uploadBundle = request(
  'setup/upload',
  v.object({ size: bytes, sha256: text }),
  v.object({ ticket: text, upload: text }),
);

/** Ends the daemon; the processes and their keepers go on. */
export const shutdownAgent = request('agent/shutdown', v.object({}), v.object({}));
/** Removes everything Flick has put on the device. Refused while processes run unless `force`, which ends them. */
export const removeAgent = request(
  'agent/remove',
  v.object({ force: v.optional(v.boolean()) }),
  v.object({ removed: v.array(text) }),
);
/** The text of a log kept on the device: the agent's own (no path), or one named by an error's `logPath`. */
export const readLog = request(
  'log/read',
  v.object({ path: v.optional(text), maxBytes: v.optional(bytes) }),
  v.object({ text, truncated: v.boolean() }),
);

/** The agent is about to end by itself. */
export const agentStopping = notification('agent/stopping', v.object({ why: text }));
