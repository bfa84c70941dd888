// How whole something is that was recorded: from 0, hardly anything is there, to 4, all of it.

export const grade = (share: number): number => (share >= 0.999 ? 4 : share >= 0.99 ? 3 : share >= 0.9 ? 2 : share >= 0.5 ? 1 : 0);
