import { a } from "./cycle-a.ts"; // wrong: lint no-cycle

export const b = () => a;
