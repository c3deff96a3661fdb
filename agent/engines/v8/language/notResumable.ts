/** An activation stands where its hidden state cannot be told. The message completes “is suspended …”. */
export class NotResumable extends Error {}
