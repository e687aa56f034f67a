import { printParseErrorCode, visit } from "jsonc-parser";
import type { JSONPath, JSONVisitor } from "jsonc-parser";

/** Both count from 1; columns in UTF-16 code units, as editors do. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Why text is not JSON, or not JSON that is read here: `a comma is missing`. */
export interface JsonFault extends Position {
  readonly reason: string;
}

/** Deeper than anything that is read here, and far from what fills a stack. */
const deepest = 100;

/**
 * Visits strict JSON, no comments and no trailing commas, in the order of its text, as far as its first fault: the
 * fault, or undefined. Never throws, however deep the text nests. A fault is not proof: JSON.parse is the judge.
 */
export function visitJson(
  text: string,
  { onObjectBegin, onObjectEnd, onObjectProperty, onArrayBegin, onArrayEnd, onLiteralValue }: JSONVisitor,
): JsonFault | undefined {
  let depth = 0;
  const begin =
    (visitor: JSONVisitor["onObjectBegin"]) =>
    (offset: number, length: number, line: number, character: number, path: () => JSONPath) => {
      depth += 1;
      if (depth > deepest) throw new Stop(positionOf(line, character), `values are nested more than ${deepest} deep`);
      return visitor?.(offset, length, line, character, path);
    };
  const end =
    (visitor: JSONVisitor["onObjectEnd"]) => (offset: number, length: number, line: number, character: number) => {
      depth -= 1;
      visitor?.(offset, length, line, character);
    };
  const strictly: JSONVisitor = {
    onObjectBegin: begin(onObjectBegin),
    onObjectEnd: end(onObjectEnd),
    onArrayBegin: begin(onArrayBegin),
    onArrayEnd: end(onArrayEnd),
    ...(onObjectProperty === undefined ? {} : { onObjectProperty }),
    ...(onLiteralValue === undefined ? {} : { onLiteralValue }),
    onError: (code, offset, length, line, character) => {
      throw new Stop(positionOf(line, character), reasonOf(printParseErrorCode(code), { text, offset, length }));
    },
  };
  try {
    visit(text, strictly, { disallowComments: true, allowTrailingComma: false });
    return undefined;
  } catch (error) {
    if (error instanceof Stop) return error.fault;
    throw error;
  }
}

/** From the parser's lines and characters, which count from 0. */
export function positionOf(line: number, character: number): Position {
  return { line: line + 1, column: character + 1 };
}

/** The parser recurses and goes on after faults: only an exception ends it. */
class Stop extends Error {
  readonly fault: JsonFault;

  constructor(position: Position, reason: string) {
    super(reason);
    this.fault = { ...position, reason };
  }
}

interface Token {
  readonly text: string;
  readonly offset: number;
  readonly length: number;
}

function reasonOf(code: string, { text, offset, length }: Token): string {
  switch (code) {
    case "InvalidSymbol":
      return "text and keys need double quotes";
    case "InvalidNumberFormat":
    case "UnexpectedEndOfNumber":
      return "a number is not whole";
    case "PropertyNameExpected":
      return isAfterComma(text, offset) ? "a comma too many, or a key is missing" : "a key in double quotes is missing";
    case "ValueExpected":
      return isAfterComma(text, offset) ? "a comma too many, or a value is missing" : "a value is missing";
    case "ColonExpected":
      return "a colon is missing";
    case "CommaExpected":
      return "a comma is missing";
    case "CloseBraceExpected":
      return 'a "}" is missing';
    case "CloseBracketExpected":
      return 'a "]" is missing';
    case "EndOfFileExpected":
      return "more text follows the end of the value";
    case "InvalidCommentToken":
    case "UnexpectedEndOfComment":
      return "JSON has no comments";
    case "UnexpectedEndOfString":
      return "a double quote is missing at the end of the text";
    case "InvalidUnicode":
    case "InvalidEscapeCharacter":
      return "JSON does not know this escape after a backslash";
    case "InvalidCharacter":
      return "text holds a control character: write it as an escape such as \\n";
    default:
      return `${length} characters here are not expected`;
  }
}

function isAfterComma(text: string, offset: number): boolean {
  return text
    .slice(Math.max(0, offset - 1000), offset)
    .trimEnd()
    .endsWith(",");
}
