"use strict";
(() => {
  const REFRESH_MS = 2000, LINES_SHOWN_MAX = 200, SAID_MS = 10000;
  const after = document.body.dataset.seq, at = after === undefined ? "" : location.pathname;
  let said = "", state = "live";
  const say = (text) => {
    state = text || state;
    const place = document.querySelector(".live"), now = said || state;
    if (place && place.textContent !== now) place.textContent = now;
  };
  // What a click has done stays for a while: the page is renewed because of it.
  const tell = (text) => { said = text; say(); setTimeout(() => { if (said === text) { said = ""; say(); } }, SAID_MS); };
  const times = () => {
    for (const each of document.querySelectorAll("time")) each.textContent = new Date(each.dateTime).toLocaleString();
  };
  let due = 0, last = 0, running = false;

  const refresh = async () => {
    due = 0;
    if (running || document.hidden) return;
    running = true;
    last = Date.now();
    try {
      const answer = await fetch(location.pathname, { cache: "no-store" });
      if (!answer.ok) return tell(`not renewed: ${answer.status}`);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
      const find = document.querySelector(".find input"), choice = document.querySelector(".find select");
      const kept = [find && find.value, choice && choice.value];
      const open = new Set([...document.querySelectorAll("main details[open] > summary")].map((e) => e.textContent));
      if (document.activeElement && document.activeElement.closest("main .acts, main .find")) return later();
      document.querySelector("main").replaceWith(fresh);
      for (const each of document.querySelectorAll("main details > summary")) {
        if (open.has(each.textContent)) each.parentElement.open = true;
      }
      if (typeof prepare === "function") {
        prepare();
        if (kept[0] || kept[1]) {
          document.querySelector(".find input").value = kept[0];
          document.querySelector(".find select").value = kept[1];
          document.querySelector(".find select").dispatchEvent(new Event("change"));
        }
      }
      times();
      say();
    } catch (fault) {
      tell("not renewed: the server does not answer");
    } finally {
      running = false;
    }
  };
  const later = () => { due = due || setTimeout(refresh, Math.max(0, REFRESH_MS - (Date.now() - last))); };

  const show = (line) => {
    const list = document.querySelector(".lines"), row = document.createElement("li");
    row.value = line.seq;
    row.textContent = [new Date(line.at).toLocaleTimeString(), line.worker, line.to, line.type, line.says].filter(Boolean).join("  ");
    list.prepend(row);
    while (list.children.length > LINES_SHOWN_MAX) list.lastChild.remove();
  };
  const source = new EventSource(at ? `${at}/events?after=${after}` : `/events?after=${document.body.dataset.stamp}`);
  source.addEventListener("open", () => say("live"));
  source.addEventListener("error", () => { said = ""; say("not connected, trying again"); });
  source.addEventListener("line", (event) => { show(JSON.parse(event.data)); later(); });
  source.addEventListener("changed", later);
  source.addEventListener("closed", () => { source.close(); state = "closed"; later(); });
  source.addEventListener("reset", () => location.reload());
  document.addEventListener("visibilitychange", () => { if (!document.hidden) later(); });

  const several = (like) => Number(like) > 1;
  const all = (who, like) => several(like) ? `${who} and ${like - 1} that need the same` : who;
  const its = (like) => several(like) ? { like: "1" } : {};
  const asked = {
    approve: (who, { text, seen, label }) => confirm(`${who}: choose "${label}" (${text})?`) && { text, seen },
    answer: (who, { seen, offers }) => {
      const listed = (offers || "").split("\n").filter(Boolean).map((label, n) => `\n${n + 1} ${label}`).join("");
      const text = prompt(`Answer to ${who}${listed && `, a number or a text:${listed}`}`);
      return text && { text, seen };
    },
    send: (who, { like }) => { const text = prompt(`Text to type into ${all(who, like)}, with Enter:`); return text && { text, ...its(like) }; },
    retry: (who, { like }) => confirm(`Start another attempt of ${all(who, like)}?`) && its(like),
    stop: (who, { like }) => confirm(`End ${all(who, like)}? What was done is kept.`) && its(like),
    accept: () => confirm("Accept the row that is held?") && {},
  };
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-act]");
    if (!button) return;
    const verb = button.dataset.act, worker = button.dataset.worker, more = asked[verb](worker, button.dataset);
    if (!more) return;
    button.disabled = true;
    try {
      const answer = await fetch(`${at}/act`, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Wakeman": "1" },
        body: JSON.stringify({ verb, worker: worker || "", ...more }),
      });
      const came = await answer.json();
      const refused = Object.entries(came.refused || {}).map(([who, why]) => `not sent to ${who}: ${why}`).join("; ");
      tell(came.ok ? `done: ${verb}` : `${came.error || refused}${came.hint ? ` (${came.hint})` : ""}`);
      if (came.ok || refused) later();
    } catch (fault) {
      tell(`nobody knows whether this was done: ${verb}: the server does not answer`);
    } finally {
      button.blur();
      button.disabled = false;
    }
  });
  times();
})();
