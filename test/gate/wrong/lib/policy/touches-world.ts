export function touch(): unknown {
  console.log("printed"); // wrong: lint no-console, lint no-restricted-globals
  setTimeout(touch, 1000); // wrong: lint no-restricted-globals
  setInterval(touch, 1000); // wrong: lint no-restricted-globals
  return [
    process.platform, // wrong: lint no-restricted-globals
    globalThis.process, // wrong: lint no-restricted-globals
    fetch, // wrong: lint no-restricted-globals
    crypto, // wrong: lint no-restricted-globals
    Math.random(), // wrong: lint no-restricted-properties
    Date.now(), // wrong: lint no-restricted-properties
    new Date(), // wrong: lint no-current-date
    Date(), // wrong: lint no-current-date
    performance.now(), // wrong: lint no-restricted-globals
  ];
}
