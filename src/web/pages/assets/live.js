// Live updates, values under the pointer and walking by keys. Every page can be read without this.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const silence = 8000;
  let heard = Date.now();
  let held = new Map();

  // Times of the reader's own zone stand beside those in UTC.
  const local = (root) => {
    for (const time of root.querySelectorAll("time[data-local]")) {
      const at = new Date(time.dateTime);
      if (isNaN(at) || time.dataset.done) continue;
      time.dataset.done = "1";
      const zone = at.getTimezoneOffset() !== 0;
      const here = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
      if (zone && time.dataset.local === "after") time.append(` · ${here} here`);
      time.title = at.toLocaleString();
    }
  };

  const stale = (why) => {
    const line = byId("stale");
    document.body.classList.toggle("is-stale", Boolean(why));
    line.hidden = !why;
    if (line.textContent !== why) line.textContent = why;
    if (why) { document.title = `? ${document.title.replace(/^\? /, "")}`; byId("icon").href = "assets/icon-stale.svg"; }
  };

  const state = () => {
    const now = byId("state");
    if (!now) return;
    const title = now.dataset.alarm + document.body.dataset.title;
    if (document.title !== title) document.title = title;
    const icon = byId("icon");
    if (icon.getAttribute("href") !== now.dataset.icon) icon.setAttribute("href", now.dataset.icon);
    stale(now.dataset.stale || "");
  };

  // A fragment waits while somebody points at it or at something below it, or has a finger or the focus there, so that nothing moves
  // under a pointer, a finger or a focus; but not for one who has not moved for so long, since then it would be old for whoever only
  // looks.
  const rest = 20000;
  let moved = 0;
  // What a finger is on. It has not pointed there before, and its tap must still find the link that it began on.
  let pressed = null;
  const isAbove = (part, other) => other && (part.contains(other) || part.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_FOLLOWING);
  const isHeld = (part) => {
    if (part.id === "asof" || part.id === "pulse") return false;
    const active = document.activeElement;
    if (part.contains(active) && active.matches("input, textarea, select")) return true;
    const pointed = [...document.querySelectorAll("main :hover")].pop();
    const focused = active?.matches("main *") ? active : null;
    return Date.now() - moved < rest && [pressed, pointed, focused].some((one) => isAbove(part, one));
  };
  // What an element is known by when it was replaced by its like.
  const like = (one) => one.getAttribute("href") ?? one.getAttribute("formaction") ?? one.closest("[id]")?.id;
  const put = (id, html) => {
    const part = byId(id);
    if (!part) return;
    if (isHeld(part)) { held.set(id, html); return; }
    const focus = part.contains(document.activeElement) ? document.activeElement : null;
    held.delete(id);
    const open = new Set([...part.querySelectorAll("details[open][id]")].map((one) => one.id));
    const shut = new Set([...part.querySelectorAll("details:not([open])[id]")].map((one) => one.id));
    part.innerHTML = html;
    for (const one of part.querySelectorAll("details[id]")) {
      if (open.has(one.id)) one.open = true;
      if (shut.has(one.id)) one.open = false;
    }
    if (focus && !part.contains(document.activeElement)) {
      [...part.querySelectorAll(focus.tagName)].find((one) => like(one) === like(focus))?.focus({ preventScroll: true });
    }
    local(part);
    if (id === "asof" || id === "pulse") state();
    else if (id === "incidents") { part.classList.remove("changed"); void part.offsetWidth; part.classList.add("changed"); }
  };
  const release = () => { for (const [id, html] of [...held]) put(id, html); };
  const move = () => { moved = Date.now(); release(); };
  document.addEventListener("pointermove", move, { passive: true });
  document.addEventListener("keydown", () => { moved = Date.now(); });
  document.addEventListener("pointerdown", (event) => { moved = Date.now(); pressed = event.target; });
  // The click comes after the finger has left.
  const lift = () => setTimeout(() => { pressed = null; release(); }, 500);
  for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, lift);
  document.addEventListener("focusout", () => setTimeout(release));
  setInterval(release, 1000);

  const stream = document.body.dataset.stream;
  if (stream && window.EventSource) {
    const source = new EventSource(new URL(stream, document.baseURI));
    source.addEventListener("beat", () => { heard = Date.now(); state(); });
    source.addEventListener("fragment", (event) => {
      heard = Date.now();
      const { id, html } = JSON.parse(event.data);
      put(id, html);
    });
    // What is shown has another shape now, such as a new probe. Nobody's rows jump: it waits, and says so, until nobody points or types.
    let another = null;
    source.addEventListener("reload", () => {
      if (another) return;
      another = document.createElement("a");
      another.className = "button"; another.href = location.href; another.textContent = "There is more: show it";
      document.querySelector(".bar").append(another);
    });
    setInterval(() => {
      const typing = document.activeElement?.matches("input, textarea, select, dialog *");
      if (another && !typing && Date.now() - moved >= rest) location.reload();
      if (Date.now() - heard > silence) stale("This page is no longer live: nothing was heard from the prober. What it shows may be over.");
    }, 1000);
  }

  // Values under the pointer.
  const tip = document.createElement("div");
  tip.className = "tip"; tip.hidden = true;
  document.body.append(tip);
  const words = { p: "passed", f: "failed", d: "passed, degraded", e: "errored", m: "missed", b: "blocked", s: "skipped" };
  document.addEventListener("pointerover", (event) => {
    const mark = event.target.closest("[data-tip], .strip a");
    if (!mark) { tip.hidden = true; return; }
    let text = mark.dataset.tip;
    if (!text) {
      const due = Number(new URL(mark.href.baseVal || mark.href, document.baseURI).searchParams.get("due"));
      const kind = words[mark.getAttribute("class")] || "";
      text = due ? `${new Date(due).toISOString().slice(11, 19)} UTC · ${kind}` : kind;
    }
    tip.textContent = text;
    tip.hidden = false;
    tip.style.left = `${Math.min(event.clientX + 12, innerWidth - tip.offsetWidth - 8)}px`;
    tip.style.top = `${event.clientY + 16}px`;
  });

  // Walking by keys.
  const rows = () => [...document.querySelectorAll("[data-row]")].filter((row) => row.offsetParent !== null);
  const walk = (step) => {
    const all = rows();
    const at = all.indexOf(document.activeElement.closest?.("[data-row]"));
    const next = all[Math.max(0, Math.min(all.length - 1, at < 0 ? 0 : at + step))];
    (next?.querySelector("a, summary") ?? next)?.focus();
    next?.scrollIntoView({ block: "nearest" });
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches("input, textarea, select");
    if (event.key === "Escape" && typing) { event.target.blur(); return; }
    if (typing) return;
    const press = (what) => { const button = document.querySelector(`[data-key="${what}"]`); if (button) { event.preventDefault(); button.focus(); button.click(); } };
    switch (event.key) {
      case "/": { const field = document.querySelector("input[type=search]"); if (field) { event.preventDefault(); field.focus(); } break; }
      case "ArrowDown": case "j": if (rows().length) { event.preventDefault(); walk(1); } break;
      case "ArrowUp": case "k": if (rows().length) { event.preventDefault(); walk(-1); } break;
      case "a": press("acknowledge"); break;
      case "v": press("verify"); break;
      case "?": byId("keys").showModal(); break;
    }
  });

  // Copying.
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const text = byId(button.dataset.copy)?.textContent ?? "";
    navigator.clipboard?.writeText(text).then(() => { button.textContent = "copied"; });
  });

  local(document);
  state();
})();
