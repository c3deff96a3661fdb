/** Something cannot be made again here. The message says what. */
export class RebuildError extends Error {}
