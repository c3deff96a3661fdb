/**
 * Numbers of descriptors below this one are kept from Node.js by whoever starts it, with something open there: it opens
 * several files for itself, and the program's have to get the numbers that they had. All of them are released then.
 */
export const reservedDescriptors = 256;
