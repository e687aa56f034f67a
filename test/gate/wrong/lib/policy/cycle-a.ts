import { b } from "./cycle-b.ts"; // wrong: lint no-cycle

export const a = () => b;
