import * as fc from "fast-check";

/** What breaks out of a line, a quote, a path or a number where it is not looked at. */
const PIECES = [
  "\n-A FORWARD -j ACCEPT\n",
  "\nCOMMIT\n*filter\n",
  '" -j ACCEPT -m comment --comment "',
  "-j ACCEPT",
  "--comment",
  "\\",
  '\\"',
  "\0",
  "\r",
  "\u001b[2J\u001b]0;x\u0007",
  "\u009b31m",
  "\u202e",
  "\u2028",
  "\ud800",
  "\udfff",
  "\u{1f600}",
  "\ufeff",
  "\ufffd",
  "ſ",
  "İ",
  "$(id)",
  "../",
  "/",
  "=",
  "==2F",
  "=2F",
  "=2f",
  ";",
  ",",
  " ",
  "\t",
  "0",
  "-1",
  "0x10",
  "1e999",
  "99999999999999999999",
  "010.0.0.1",
  "0.0.0.0/0",
  "::/0",
  "::ffff:10.0.0.1",
  "fe80::1%eth0",
  "10.0.0.1/33",
  "__proto__",
  "constructor",
  "toString",
  "/dispatch-",
  "NOMAD_NAMESPACE=other",
  "outbound.additional_rules=[]",
  "ACCEPT",
  "DROP",
] as const;

/** One of them, several in a row, one very often, or any text. */
export function hostileTexts(): fc.Arbitrary<string> {
  const piece = fc.constantFrom<string>(...PIECES);
  return fc.oneof(
    { weight: 4, arbitrary: piece },
    { weight: 2, arbitrary: fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join("")) },
    { weight: 2, arbitrary: fc.string({ unit: "binary", maxLength: 20 }) },
    { weight: 1, arbitrary: illFormedTexts() },
    {
      weight: 1,
      arbitrary: fc.tuple(piece, fc.constantFrom(64, 300, 5000)).map(([text, times]) => text.repeat(times)),
    },
  );
}

/** UTF-16 that need not pair up. */
function illFormedTexts(): fc.Arbitrary<string> {
  return fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 8 }).map((units) => String.fromCharCode(...units));
}
