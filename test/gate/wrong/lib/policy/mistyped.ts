export const port: number = "443"; // wrong: types TS2322
