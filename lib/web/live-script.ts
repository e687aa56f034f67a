/**
 * What a browser runs: it asks for the page again every few seconds while somebody can see it, and changes in place what
 * is different, so that the focus, what is selected and where the page is scrolled to stay. Plain JavaScript, whole in
 * one file, as the pages' Content-Security-Policy lets nothing else run.
 */
export const LIVE_SCRIPT = String.raw`"use strict";
(() => {
  const everyMs = 5000;
  const timeoutMs = 15000;
  const area = document.getElementById("live");
  const state = document.getElementById("live-state");
  const pause = document.getElementById("live-pause");
  let isPaused = false;
  let isAsking = false;
  let timer;

  area.hidden = false;
  tell("Live");
  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.textContent = isPaused ? "Resume" : "Pause";
    if (isPaused) tell("Paused");
    schedule(0);
  });
  document.addEventListener("visibilitychange", () => schedule(0));
  schedule(everyMs);

  function schedule(waitMs) {
    clearTimeout(timer);
    if (!isPaused && !document.hidden) timer = setTimeout(renew, waitMs);
  }

  async function renew() {
    if (isAsking) return;
    isAsking = true;
    try {
      const signal = AbortSignal.timeout(timeoutMs);
      const response = await fetch(location.href, { signal, headers: { accept: "text/html" } });
      const text = await response.text();
      if (!response.headers.get("content-type")?.startsWith("text/html")) throw new Error(text);
      if (!isPaused) {
        show(new DOMParser().parseFromString(text, "text/html"));
        tell("Live");
      }
    } catch {
      if (!isPaused) tell("The watcher does not answer: this page is as old as it says");
    }
    isAsking = false;
    schedule(everyMs);
  }

  // Said aloud where it changes only.
  function tell(text) {
    if (state.textContent !== text) state.textContent = text;
    area.classList.toggle("stale", text !== "Live");
  }

  function show(page) {
    document.title = page.title;
    const focused = document.activeElement;
    become(document.getElementById("main"), page.getElementById("main"));
    if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
  }

  function become(node, next) {
    if (node.isEqualNode(next)) return;
    if (node.nodeType !== Node.ELEMENT_NODE) {
      node.data = next.data;
      return;
    }
    for (const { name } of [...node.attributes]) {
      if (!next.hasAttribute(name) && name !== "open") node.removeAttribute(name);
    }
    for (const { name, value } of next.attributes) if (node.getAttribute(name) !== value) node.setAttribute(name, value);
    const keyed = new Map(Array.from(node.children, (child) => [keyOf(child), child]));
    let cursor = node.firstChild;
    for (const child of [...next.childNodes]) {
      const key = keyOf(child);
      const old = key === undefined ? cursor : keyed.get(key);
      if (old && keyOf(old) === key && isAlike(old, child)) {
        if (old !== cursor) node.insertBefore(old, cursor);
        become(old, child);
        cursor = old.nextSibling;
      } else node.insertBefore(document.importNode(child, true), cursor);
    }
    while (cursor) {
      const over = cursor;
      cursor = cursor.nextSibling;
      over.remove();
    }
  }

  // Rows come and go in the middle of a table.
  function keyOf(node) {
    return node.dataset?.key;
  }

  // A link that leads elsewhere is another link: who is on it must not follow what it has become.
  function isAlike(node, next) {
    if (node.nodeName !== next.nodeName) return false;
    return node.nodeName !== "A" || node.getAttribute("href") === next.getAttribute("href");
  }
})();
`;
