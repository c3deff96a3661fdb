import type { Device } from '../../client/device.ts';
import type { Candidate, ProcessInfo, ProcessNode } from '../../protocol/index.ts';
import type { ListedCapsule } from '../model/capsuleRow.ts';

/**
 * The elements of the Devices tree. VS Code recognises rows by these objects and by their ids, so each is made once
 * for the thing it stands for and lives as long as that; what changes (names, states, memory) is read through it.
 */
export class DeviceElement {
  readonly kind = 'device';
  readonly id: string;
  readonly device: Device;
  readonly parent = undefined;
  readonly capsules: CapsulesElement;
  readonly candidates: CandidatesElement;
  readonly #processes = new Map<string, ProcessElement>();

  constructor(device: Device) {
    this.id = `device/${device.name}`;
    this.device = device;
    this.capsules = new CapsulesElement(this);
    this.candidates = new CandidatesElement(this);
  }

  /** The processes that have changed since they were last read; undefined when some came, went or changed places. */
  takeChanges(): readonly ProcessElement[] | undefined {
    const before = [...this.#processes.values()].map((each) => ({
      element: each,
      info: each.info,
    }));
    const now = this.processes;
    const isSame =
      before.length === now.length && now.every((each, i) => each === before[i]?.element);
    if (!isSame) return undefined;
    return before.filter((each) => each.element.info !== each.info).map((each) => each.element);
  }

  /** Its managed processes as last known, in the device's order. */
  get processes(): readonly ProcessElement[] {
    const infos = this.device.processes;
    const present = new Set(infos.map((each) => each.id));
    for (const id of this.#processes.keys()) if (!present.has(id)) this.#processes.delete(id);
    return infos.map((info) => {
      const known = this.#processes.get(info.id);
      if (known !== undefined) {
        known.info = info;
        return known;
      }
      const made = new ProcessElement(this, info);
      this.#processes.set(info.id, made);
      return made;
    });
  }
}

export class ProcessElement {
  readonly kind = 'process';
  readonly id: string;
  readonly parent: DeviceElement;
  readonly #tasks: Tasks;
  info: ProcessInfo;

  constructor(parent: DeviceElement, info: ProcessInfo) {
    this.id = `${parent.id}/process/${info.id}`;
    this.parent = parent;
    this.info = info;
    this.#tasks = new Tasks(this);
  }

  get device(): Device {
    return this.parent.device;
  }

  /** The children that the operating system knows; the root is this row itself. */
  get tasks(): readonly TaskElement[] {
    const { tree, pid } = this.info;
    const [first] = tree;
    return this.#tasks.of(
      tree.length === 1 && first !== undefined && first.pid === pid ? first.children : tree,
    );
  }
}

export class TaskElement {
  readonly kind = 'task';
  readonly id: string;
  readonly parent: ProcessElement | CandidateElement | TaskElement;
  readonly #tasks: Tasks;
  task: ProcessNode;

  constructor(parent: ProcessElement | CandidateElement | TaskElement, task: ProcessNode) {
    this.id = `${parent.id}/task/${String(task.pid)}`;
    this.parent = parent;
    this.task = task;
    this.#tasks = new Tasks(this);
  }

  get device(): Device {
    return this.parent.device;
  }

  get tasks(): readonly TaskElement[] {
    return this.#tasks.of(this.task.children);
  }
}

/** The group of a device's capsules; what is in it is asked for only when somebody opens it. */
export class CapsulesElement {
  readonly kind = 'capsules';
  readonly id: string;
  readonly parent: DeviceElement;
  readonly #elements = new Map<string, CapsuleElement>();
  /** Why the list could not be had, or that there is nothing in it. */
  problem: string | undefined;
  /** What was last listed; undefined asks again when the group is next drawn. */
  listed: readonly CapsuleElement[] | undefined;

  constructor(parent: DeviceElement) {
    this.id = `${parent.id}/capsules`;
    this.parent = parent;
  }

  get device(): Device {
    return this.parent.device;
  }

  update(capsules: readonly ListedCapsule[]): void {
    const present = new Set(capsules.map((each) => each.id));
    for (const id of this.#elements.keys()) if (!present.has(id)) this.#elements.delete(id);
    this.listed = capsules.map((capsule) => {
      const known = this.#elements.get(capsule.id);
      if (known !== undefined) {
        known.capsule = capsule;
        return known;
      }
      const made = new CapsuleElement(this, capsule);
      this.#elements.set(capsule.id, made);
      return made;
    });
  }

  /** The name of a listed capsule, else its id. */
  nameOf(id: string): string {
    const capsule = this.#elements.get(id)?.capsule;
    return capsule !== undefined && 'info' in capsule ? capsule.info.name : id;
  }
}

export class CapsuleElement {
  readonly kind = 'capsule';
  readonly id: string;
  readonly parent: CapsulesElement;
  capsule: ListedCapsule;

  constructor(parent: CapsulesElement, capsule: ListedCapsule) {
    this.id = `${parent.id}/${capsule.id}`;
    this.parent = parent;
    this.capsule = capsule;
  }

  get device(): Device {
    return this.parent.device;
  }
}

/** The group of processes that could be adopted; what is in it is asked for only when somebody opens it. */
export class CandidatesElement {
  readonly kind = 'candidates';
  readonly id: string;
  readonly parent: DeviceElement;
  readonly #elements = new Map<number, CandidateElement>();
  /** Why the list could not be had, as a sentence. */
  problem: string | undefined;
  /** What was last listed; undefined asks again when the group is next drawn. */
  listed: readonly CandidateElement[] | undefined;

  constructor(parent: DeviceElement) {
    this.id = `${parent.id}/candidates`;
    this.parent = parent;
  }

  get device(): Device {
    return this.parent.device;
  }

  update(candidates: readonly Candidate[]): void {
    const present = new Set(candidates.map((each) => each.pid));
    for (const pid of this.#elements.keys()) if (!present.has(pid)) this.#elements.delete(pid);
    this.listed = candidates.map((candidate) => {
      const known = this.#elements.get(candidate.pid);
      if (known !== undefined) {
        known.candidate = candidate;
        return known;
      }
      const made = new CandidateElement(this, candidate);
      this.#elements.set(candidate.pid, made);
      return made;
    });
  }
}

export class CandidateElement {
  readonly kind = 'candidate';
  readonly id: string;
  readonly parent: CandidatesElement;
  readonly #tasks: Tasks;
  candidate: Candidate;

  constructor(parent: CandidatesElement, candidate: Candidate) {
    this.id = `${parent.id}/${String(candidate.pid)}`;
    this.parent = parent;
    this.candidate = candidate;
    this.#tasks = new Tasks(this);
  }

  get device(): Device {
    return this.parent.device;
  }

  get tasks(): readonly TaskElement[] {
    const { tree, pid } = this.candidate;
    const [first] = tree;
    return this.#tasks.of(
      tree.length === 1 && first !== undefined && first.pid === pid ? first.children : tree,
    );
  }
}

export type Element =
  | DeviceElement
  | ProcessElement
  | TaskElement
  | CapsulesElement
  | CapsuleElement
  | CandidatesElement
  | CandidateElement;

/** Keeps one element for each child process of a parent. */
class Tasks {
  readonly #parent: ProcessElement | CandidateElement | TaskElement;
  readonly #elements = new Map<number, TaskElement>();

  constructor(parent: ProcessElement | CandidateElement | TaskElement) {
    this.#parent = parent;
  }

  of(nodes: readonly ProcessNode[]): readonly TaskElement[] {
    const present = new Set(nodes.map((each) => each.pid));
    for (const pid of this.#elements.keys()) if (!present.has(pid)) this.#elements.delete(pid);
    return nodes.map((task) => {
      const known = this.#elements.get(task.pid);
      if (known !== undefined) {
        known.task = task;
        return known;
      }
      const made = new TaskElement(this.#parent, task);
      this.#elements.set(task.pid, made);
      return made;
    });
  }
}

/** The elements of all devices; the same object for the same device for as long as it is in the fleet. */
export class ElementStore {
  readonly #devices = new Map<Device, DeviceElement>();

  of(devices: readonly Device[]): readonly DeviceElement[] {
    for (const device of this.#devices.keys()) {
      if (!devices.includes(device)) this.#devices.delete(device);
    }
    return devices.map((device) => this.device(device));
  }

  device(device: Device): DeviceElement {
    const known = this.#devices.get(device);
    if (known !== undefined) return known;
    const made = new DeviceElement(device);
    this.#devices.set(device, made);
    return made;
  }

  process(device: Device, id: string): ProcessElement | undefined {
    return this.device(device).processes.find((each) => each.info.id === id);
  }
}

/** Whether an argument that VS Code hands to a command is a row of the tree. */
export function isElement(value: unknown): value is Element {
  return (
    value instanceof DeviceElement ||
    value instanceof ProcessElement ||
    value instanceof TaskElement ||
    value instanceof CapsulesElement ||
    value instanceof CapsuleElement ||
    value instanceof CandidatesElement ||
    value instanceof CandidateElement
  );
}
