/** How long after the search for a safe point a try may still begin, in ms: getting ready takes its time. */
export const beginPatience = 10_000;
/** How long the capture itself may take, in ms. */
export const capturePatience = 120_000;
