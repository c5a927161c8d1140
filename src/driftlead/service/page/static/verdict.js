// The one sentence that an engineer opens the page for: is anything drifting, since when, how badly.

import { byId, make, show } from "./dom.js";
import { clock, count, duration, plural, ratio, share } from "./format.js";
import { strongest } from "./lanes.js";

const CHIPS = 5;

export class Verdict {
  constructor({ openSignal, openEpisode, acknowledge, rebaseline }) {
    this.element = byId("verdict");
    this.element.addEventListener("click", (event) => {
      const { act, name } = event.target.closest("[data-act]")?.dataset ?? {};
      if (act === "signal") openSignal(name);
      if (act === "episode") openEpisode(name);
      if (act === "acknowledge") acknowledge(name);
      if (act === "rebaseline") rebaseline();
    });
  }

  update(overview, now) {
    this.element.setAttribute("aria-busy", "false");
    const { state, parts } = overview.watched ? watched(overview, now) : unwatched(overview);
    this.element.className = `verdict ${state}`;
    show(this.element, ...parts);
    return state;
  }
}

function unwatched(overview) {
  return {
    state: "unwatched",
    parts: [
      make("h1", {}, "Served, not watched"),
      make("p", {}, `${overview.model} answers requests, and nothing looks for drift: monitoring is switched off. ` +
        "Set monitor.enabled to true, or DRIFTLEAD_MONITOR__ENABLED=true, and start the service anew."),
    ],
  };
}

function watched(overview, now) {
  const drifting = overview.signals
    .filter((signal) => signal.drifting.length)
    .sort((a, b) => strongest(b.ratio)[1] - strongest(a.ratio)[1]);
  const [episode] = [...overview.episodes].sort((a, b) => a.changed_at - b.changed_at);
  const collecting = overview.rebaseline ? [progress(overview.rebaseline)] : [];
  if (!overview.rows) {
    return { state: "waiting", parts: [make("h1", {}, "Waiting for the first rows"), make("p", {}, watching(overview))] };
  }
  if (!episode && !drifting.length) {
    return { state: "calm", parts: [make("h1", {}, "No drift"), make("p", {}, watching(overview), calmest(overview)), ...collecting] };
  }
  const state = drifting.length ? (episode?.status === "acknowledged" ? "known" : "drifting") : "quiet";
  return {
    state,
    parts: [
      make("h1", {}, headline(state, episode, now)),
      make("p", {}, ...told(overview, drifting, episode, now)),
      drifting.length ? make("p", { className: "chips" }, chips(drifting)) : null,
      acknowledged(episode, now),
      ...collecting,
      actions(overview, episode),
    ].filter(Boolean),
  };
}

function headline(state, episode, now) {
  if (state === "quiet") return "Quiet again";
  return episode ? `Drifting for ${duration(now - episode.changed_at)}` : "Drifting";
}

function told(overview, drifting, episode, now) {
  if (!drifting.length) {
    const over = episode.last_alarm_row + episode.quiet_rows - overview.rows;
    return [`No test alarms now. The episode that began at ${clock(episode.changed_at, now)} is over after ` +
      `${plural(Math.max(0, over), "more row")} without an alarm.`];
  }
  const [detector, highest] = strongest(drifting[0].ratio);
  const part = `${count(drifting.length)} of ${plural(overview.signals.length, "signal")}`;
  const since = episode
    ? `The change began about row ${count(episode.change_row)}, at ${clock(episode.changed_at, now)}. `
    : "";
  // Page-Hinkley starts anew after an alarm: what it stands at then says nothing of how bad it was.
  const worst = highest >= 1 ? ` strongest now ${ratio(highest)} its threshold by ${detector}` : "";
  return [since, make("strong", {}, part), " drifting", worst ? `,${worst}. ` : ". ", ...accuracy(overview, drifting)];
}

/** What the drift does to the model, as far as anyone can know. */
function accuracy({ labels }, drifting) {
  const { accuracy: measured = null } = labels.quality;
  const { accuracy: reference = null } = labels.reference;
  if (reference === null) return [];
  const estimate = labels.estimated_accuracy;
  if (measured === null) {
    if (!estimate?.rows) return [];
    const lower = estimate.high < reference;
    return ["Accuracy is ", make("strong", {}, `estimated at ${share(estimate.estimate)}`),
      lower ? `, below the reference's ${share(reference)}; no labels have come yet.` : "; no labels have come yet."];
  }
  const points = 100 * (reference - measured);
  const compared = points >= 0.05 ? `${points.toFixed(1)} points below the reference` : "as good as the reference";
  // Only where rows are as before must it be their labels that are not.
  const why = drifting.some(({ name }) => !name.startsWith("performance:"))
    ? "the model may be too sure of rows like these, or the labels mean something else" : "the labels' meaning may have changed";
  const blind = labels.audit?.significant && labels.audit.difference < 0
    ? ` What is estimated without labels is too high: ${why}.` : "";
  return ["Accuracy is ", make("strong", {}, share(measured)), `, ${compared}.${blind}`];
}

function chips(drifting) {
  const shown = drifting.slice(0, CHIPS).map((signal) =>
    make("button", { type: "button", className: "chip", "data-act": "signal", "data-name": signal.name, "data-focus": signal.name },
      signal.name, make("b", {}, ratio(strongest(signal.ratio)[1]))));
  const more = drifting.length - shown.length;
  return more > 0 ? [...shown, make("span", { className: "more" }, `and ${count(more)} more`)] : shown;
}

function acknowledged(episode, now) {
  if (!episode?.acknowledged_at) return null;
  const note = episode.note ? `: “${episode.note}”` : "";
  return make("p", { className: "note" },
    `Acknowledged by ${episode.acknowledged_by ?? "someone"} at ${clock(episode.acknowledged_at, now)}${note}`);
}

function actions(overview, episode) {
  const buttons = [];
  if (episode) {
    if (!episode.acknowledged_at) {
      buttons.push(make("button", { type: "button", className: "main", "data-act": "acknowledge", "data-name": episode.id, "data-focus": "acknowledge" }, "Acknowledge"));
    }
    buttons.push(make("button", { type: "button", "data-act": "episode", "data-name": episode.id, "data-focus": "episode" }, "What drifted"));
  }
  if (!overview.rebaseline) {
    buttons.push(make("button", { type: "button", "data-act": "rebaseline", "data-focus": "rebaseline" }, "New reference…"));
  }
  return make("p", { className: "actions" }, buttons);
}

function progress({ rows, of }) {
  return make("p", { className: "collecting" }, `Collecting a new reference: ${count(rows)} of ${count(of)} rows `,
    make("progress", { max: of, "value": rows, "aria-label": "Rows of the new reference" }));
}

function watching(overview) {
  return `${plural(overview.signals.length, "signal")} watched by ${plural(overview.detectors.length, "test")}. `;
}

function calmest(overview) {
  const [first] = [...overview.signals].sort((a, b) => strongest(b.ratio)[1] - strongest(a.ratio)[1]);
  const [detector, highest] = strongest(first.ratio);
  return detector === null ? "" : `Nearest to an alarm: ${first.name}, at ${ratio(highest)} its threshold by ${detector}.`;
}

