// wrong: dead-code files
export const orphan = 1;
