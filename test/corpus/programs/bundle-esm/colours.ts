export const colours = ['red', 'green', 'blue', 'black', 'white', 'grey'] as const;
export type Colour = (typeof colours)[number];
