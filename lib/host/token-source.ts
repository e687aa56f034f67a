import { readFile } from "node:fs/promises";

/** Where a token comes from. */
export interface TokenSource {
  readonly token: string | undefined;
  /** Goes before `token`, and is read again for every request: tokens rotate. */
  readonly tokenFile: string | undefined;
}

/**
 * The token to send now. A token file that is missing or empty is an error and not a request without a token: to an
 * anonymous request ACLs show less, which would look as if there were less.
 * @throws Error that says where it is from, and not what it is
 */
export async function readTokenFrom(
  { token, tokenFile }: TokenSource,
  { program, variable }: { readonly program: string; readonly variable: string },
): Promise<string | undefined> {
  return tokenFile === undefined
    ? checkToken(token, { program, source: variable })
    : checkToken(await read(tokenFile, program), { program, source: tokenFile });
}

async function read(path: string, program: string): Promise<string> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (cause) {
    throw new Error(`Cannot read ${program} token: ${path} is not readable`, { cause });
  }
}

function checkToken(
  token: string | undefined,
  { program, source }: { readonly program: string; readonly source: string },
): string | undefined {
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
    const problem = token === "" ? "is empty" : "holds characters that no token has";
    throw new Error(`Cannot read ${program} token: ${source} ${problem}`);
  }
  return token;
}
