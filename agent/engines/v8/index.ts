export {
  captureProgram,
  rehearseCapture,
  type CaptureOptions,
  type CaptureReport,
} from './captureProgram.ts';
export { callOff, holdProgram, type HeldProgram, type HoldOptions } from './holdProgram.ts';
export {
  restoreCommand,
  restoreProgram,
  type RestoreHold,
  type RestoreOptions,
} from './restoreProgram.ts';
export { moveProgram, type MoveOptions, type MovedProgram } from './moveProgram.ts';
export { reservedDescriptors } from './capsule/reserved.ts';
export { inspectCapsule } from './capsule/read.ts';
export type { CapsuleHeader } from './capsule/format.ts';
export { CaptureFailed } from './unexpected.ts';
export { readAdvance } from './capsule/advance.ts';
