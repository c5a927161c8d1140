// Past and present episodes of drift, newest first.

import { byId, make, show } from "./dom.js";
import { ago, clock, duration, plural } from "./format.js";

const ENDS = { quiet: "over", rebaselined: "new reference", closed: "closed" };

export class Episodes {
  constructor({ openEpisode, acknowledge }) {
    this.element = byId("episode-list");
    this.element.addEventListener("click", (event) => {
      const { act, name } = event.target.closest("[data-act]")?.dataset ?? {};
      if (act === "episode") openEpisode(name);
      if (act === "acknowledge") acknowledge(name);
    });
  }

  update(episodes, now) {
    if (!episodes.length) {
      show(this.element, make("p", { className: "empty" }, "None so far."));
      return;
    }
    show(this.element, make("ul", { className: "episode-list" }, episodes.map((episode) => item(episode, now))));
  }

  refuse(message) {
    show(this.element, make("p", { className: "empty" }, message));
  }
}

function item(episode, now) {
  const [first] = episode.signals;
  const others = episode.n_signals - 1;
  const state = episode.status === "resolved" ? ENDS[episode.resolution] : episode.status;
  const end = episode.resolved_at ?? now;
  const by = episode.acknowledged_at
    ? make("span", { className: "by" }, `seen by ${episode.acknowledged_by ?? "someone"}${episode.note ? `: “${episode.note}”` : ""}`)
    : make("button", { type: "button", "data-act": "acknowledge", "data-name": episode.id, "data-focus": `ack ${episode.id}` }, "Acknowledge");
  return make("li", { className: `episode ${episode.status}` },
    make("span", { className: "pill" }, state),
    make("button", { type: "button", className: "link", "data-act": "episode", "data-name": episode.id, "data-focus": episode.id },
      first ? first.signal : episode.opened_by[0], others > 0 ? ` and ${plural(others, "more signal")}` : ""),
    make("span", { className: "when" }, `${clock(episode.changed_at, now)}, ${ago(now - episode.changed_at)}`),
    make("span", { className: "lasted" }, `${episode.resolved_at ? "lasted" : "for"} ${duration(end - episode.changed_at)}, ${plural(episode.alarms, "alarm")}`),
    by);
}
