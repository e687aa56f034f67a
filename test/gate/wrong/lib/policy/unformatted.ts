// wrong: format
export const address   = {family:4}
