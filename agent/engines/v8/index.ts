export { captureProgram, type CaptureOptions, type CaptureReport } from './captureProgram.ts';
export { restoreProgram, type RestoreOptions } from './restoreProgram.ts';
export { inspectCapsule } from './capsule/read.ts';
export type { CapsuleHeader } from './capsule/format.ts';
